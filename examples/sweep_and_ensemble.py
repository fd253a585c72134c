"""Search for settings by cross-validation in one call, and let several networks predict together.

What you should see: a table with a row for each setting, and three lines like

    best setting: size 64, weight_l2 0.0001
    one network: 0.969 right
    10 together: 0.978 right; where they are wrong, 2.9 times the spread

The table comes from five folds for each setting. Then ten networks with the best of them start from other weights.

Run it with no arguments. It takes about half a minute.
"""

import numpy as np
import theanets
from sklearn.datasets import load_digits


def build(rng, size=64):
    """Return a new classifier of digits; a sweep calls this for each of its members."""
    return theanets.Classifier([64, (size, "relu"), 10], rng=rng)


def main(epochs=20, folds=5, members=10, sizes=(16, 64), seed=13):
    """Search, and make an ensemble; return the numbers that are printed.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training data.
    folds : int, optional
        Number of parts for cross-validation.
    members : int, optional
        Number of networks in the ensemble.
    sizes : sequence of int, optional
        Sizes of the hidden layer to search among.
    seed : int, optional
        Decides everything random.
    """
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(x))
    x, y = (x[order] / 16).astype("f"), y[order].astype("int32")
    train, test = [x[:1300], y[:1300]], [x[1300:], y[1300:]]
    options = dict(algo="adam", learning_rate=0.01, epochs=epochs)

    found = theanets.sweep(build, train, grid=dict(size=sizes, weight_l2=[0, 1e-4, 1e-2]), folds=folds, **options)
    print(found.to_frame()[["size", "weight_l2", "valid_loss", "valid_loss_std", "valid_acc", "seconds"]].round(4))
    best = found.best_settings
    print(f"best setting: size {best['size']}, weight_l2 {best['weight_l2']:g}")

    grid = [dict(best, rng=seed + i) for i in range(members)]
    networks = theanets.sweep(build, train, test, grid=grid, **options)
    one = networks.networks[0].score(*test)
    print(f"one network: {one:.3f} right")
    labels, spread = networks.ensemble().predict(test[0], spread=True)
    right = labels == test[1]
    times = spread[~right].mean() / spread[right].mean()
    print(f"{members} together: {right.mean():.3f} right; where they are wrong, {times:.1f} times the spread")
    return dict(one=float(one), together=float(right.mean()), spread=float(times), size=best["size"])


if __name__ == "__main__":
    main()
