"""Learn the exclusive or, the smallest problem that no single layer can solve.

A point belongs to class 1 if exactly one of its two coordinates is positive. No straight line parts the two classes, so
a network without a hidden layer can do no better than to guess; a few hidden units are enough to bend it. The
script trains both, on noisy points, and draws what they make of the plane.

What you should see: two lines like

    without a hidden layer: 52 % right
    with 4 hidden units:    99 % right

and ``xor_classifier.png``, in which the left plane is parted by a straight line, and the right one by bent ones.

Run it with no arguments, or with the name of the picture to write. It takes a few seconds.
"""

import sys

import numpy as np
import theanets
from matplotlib.figure import Figure


def sample(count, seed):
    """Return points around the four corners, and whether the signs of their coordinates differ."""
    rng = np.random.RandomState(seed)
    corners = rng.choice([-1.0, 1.0], size=(count, 2))
    points = corners + 0.35 * rng.randn(count, 2)
    return points.astype("f"), (corners[:, 0] != corners[:, 1]).astype("i")


def draw(filename, networks, points, labels):
    """Draw the probability of class 1 over the plane, one picture for each network."""
    axis = np.linspace(-2.2, 2.2, 80)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    figure = Figure(figsize=(4 * len(networks), 4), layout="constrained")
    for axes, (title, net) in zip(figure.subplots(1, len(networks)), networks.items()):
        shade = net.predict_proba(plane)[:, 1].reshape(80, 80)
        axes.contourf(axis, axis, shade, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.75)
        for label, colour in enumerate(["#1c4b9c", "#9c1c2c"]):
            axes.scatter(*points[labels == label].T, s=9, color=colour, edgecolor="white", linewidth=0.3)
        axes.set(title=title, xticks=[-1, 1], yticks=[-1, 1], aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
    figure.savefig(filename, dpi=130)


def main(picture="xor_classifier.png", hidden=4, epochs=100, seed=13):
    """Train, compare and draw; return the shares of points that are classified right.

    Parameters
    ----------
    picture : str, optional
        Where to write the picture.
    hidden : int, optional
        Number of hidden units.
    epochs : int, optional
        Passes over the training data, at most.
    seed : int, optional
        Decides everything random.
    """
    train, valid, test = sample(400, seed), sample(200, seed + 1), sample(400, seed + 2)
    networks = {
        "without a hidden layer": theanets.Classifier([2, 2], rng=seed),
        f"with {hidden} hidden units": theanets.Classifier([2, (hidden, "tanh"), 2], rng=seed),
    }
    shares = {}
    for name, net in networks.items():
        net.train(train, valid, algo="adam", learning_rate=0.05, batch_size=50, epochs=epochs)
        shares[name] = float(net.score(*test))
    for name, share in shares.items():
        print(f"{name + ':':23s} {share:.0%} right".replace("%", " %"))
    draw(picture, networks, *test)
    print(f"picture: {picture}")
    return list(shares.values())


if __name__ == "__main__":
    main(*sys.argv[1:2])
