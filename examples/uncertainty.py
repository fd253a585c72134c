"""Ask a network how sure it is, by predicting with dropout.

A network that is trained with dropout is many networks in one: each time, other units are left out. If one goes on
leaving units out while predicting, and predicts many times, the predictions agree where there were data, and differ
where the network has to guess (Y Gal, Z Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016).

What you should see: lines like

    spread where there were data: 0.13
    spread where there were none: 0.35

and ``uncertainty.png``, with the points, the mean of a hundred predictions, and a band around it that widens to both
sides, and in the gap in the middle. The band is a hint, not a proof: the truth may lie outside.

Run it with no arguments, or with the name of the picture to write. It takes some ten seconds.
"""

import sys

import numpy as np
import theanets
from matplotlib.figure import Figure


def truth(x):
    """Compute what is to be learned."""
    return np.sin(3 * x) + 0.5 * x


def sample(count, seed):
    """Return points to the left and to the right of a gap."""
    rng = np.random.RandomState(seed)
    x = np.concatenate([rng.uniform(-2, -0.6, count // 2), rng.uniform(0.6, 2, count // 2)])[:, None]
    return x.astype("f"), (truth(x) + 0.1 * rng.randn(*x.shape)).astype("f")


def draw(filename, points, x, mean, spread):
    """Draw the points, and the prediction with its band."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for width, alpha in ((2, 0.18), (1, 0.3)):
        label = f"mean ± {width} deviation{'s' * (width > 1)}"
        low, high = mean - width * spread, mean + width * spread
        axes.fill_between(x[:, 0], low, high, color="#2f6fde", alpha=alpha, lw=0, label=label)
    axes.plot(x, mean, color="#2f6fde", lw=2, label="mean of the predictions")
    axes.plot(x, truth(x), color="0.3", lw=1, ls="--", label="truth")
    axes.scatter(*points, s=12, color="#d97706", zorder=3, label="data")
    axes.set(xlim=(x.min(), x.max()), ylim=(-4, 4), xlabel="x", ylabel="y")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, fontsize=9)
    figure.savefig(filename, dpi=130)


def main(picture="uncertainty.png", hidden=100, epochs=400, samples=100, seed=13):
    """Train, predict many times, and draw; return the two spreads that are printed.

    Parameters
    ----------
    picture : str, optional
        Where to write the picture.
    hidden : int, optional
        Number of units in each of two hidden layers.
    epochs : int, optional
        Passes over the training data, at most.
    samples : int, optional
        Number of predictions.
    seed : int, optional
        Decides everything random.
    """
    x, y = sample(120, seed)
    net = theanets.Regressor([1, (hidden, "relu"), (hidden, "relu"), 1], rng=seed)
    net.train([x, y], algo="adam", learning_rate=0.003, batch_size=20, epochs=epochs, patience=20, hidden_dropout=0.1)

    line = np.linspace(-3.5, 3.5, 200, dtype="f")[:, None]
    mean, spread = (result[:, 0] for result in net.predict(line, samples=samples, hidden_dropout=0.1))
    distance = abs(line[:, 0])
    inside = float(spread[(distance > 0.6) & (distance < 2)].mean())
    outside = float(spread[distance > 2.5].mean())
    print(f"spread where there were data: {inside:.2f}")
    print(f"spread where there were none: {outside:.2f}")
    draw(picture, (x, y), line, mean, spread)
    print(f"picture: {picture}")
    return dict(inside=inside, outside=outside)


if __name__ == "__main__":
    main(*sys.argv[1:2])
