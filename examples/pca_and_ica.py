"""Find principal components with an autoencoder, and independent ones.

A linear autoencoder with k units learns the same subspace as the first k principal components: nothing linear draws
the data better. Its units need not be the components themselves, as any mixture of them spans the same space. A
penalty on the sizes of the code (``hidden_l1``) makes it choose: it prefers units that are seldom active at the same
time. Where the data are mixtures of independent sources, these units are the sources, up to order and sign; that is
independent component analysis (ICA).

What you should see: lines like

    share of variance: PCA 0.9991, network 0.9990
    angles between the two subspaces: at most 0.4 degrees
    correlation with the sources: PCA 0.72, network with penalty 1.00

and ``pca_and_ica.png``: points of a mixture of two sources, with the directions that PCA finds, which are at right
angles and miss the arms of the cross, and those of the network, which lie along them.

Run it with no arguments, or with the name of the picture to write. It takes some ten seconds.
"""

import sys

import numpy as np
import theanets
from matplotlib.figure import Figure
from scipy.linalg import subspace_angles


def pca(x, count):
    """Return the first principal components, as columns."""
    return np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:count].T


def explained(x, drawn):
    """Return the share of the variance that is drawn right."""
    return float(1 - np.square(x - drawn).sum() / np.square(x - x.mean(axis=0)).sum())


def same_subspace(seed, epochs):
    """Train a linear autoencoder, and compare it with PCA."""
    rng = np.random.RandomState(seed)
    x = rng.randn(1000, 3) @ rng.randn(3, 10) + 0.05 * rng.randn(1000, 10)
    x = (x / x.std()).astype("f")
    net = theanets.Autoencoder([10, (3, "linear"), (10, "tied", "linear")], rng=seed)
    net.train([x], algo="adam", learning_rate=0.01, batch_size=50, epochs=epochs)
    components = pca(x, 3)
    mean = x.mean(axis=0)
    angles = np.degrees(subspace_angles(components, net.find("hid1", "w").get_value()))
    return explained(x, (x - mean) @ components @ components.T + mean), explained(x, net.predict(x)), angles.max()


def independent_sources(seed, epochs):
    """Mix two sources, and look for them; return the data, both pairs of directions, and how well they are found."""
    rng = np.random.RandomState(seed)
    sources = rng.laplace(size=(2000, 2))
    mixing = np.array([[1.0, 0.55], [0.25, 1.0]])
    x = (sources @ mixing.T).astype("f")
    x /= x.std()
    # the network sees whitened data, in which all directions have the same variance.
    values, vectors = np.linalg.eigh(np.cov(x.T))
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    white = (x @ whiten).astype("f")
    net = theanets.Autoencoder([2, (2, "linear"), (2, "tied", "linear")], rng=seed)
    net.train([white], algo="adam", learning_rate=0.01, batch_size=100, epochs=epochs, hidden_l1=0.3)
    code, projected = net.encode(white), x @ pca(x, 2)
    found = np.linalg.inv(whiten) @ net.find("hid1", "w").get_value()

    def match(estimates):
        correlations = abs(np.corrcoef(estimates.T, sources.T)[:2, 2:])
        return float(correlations.max(axis=0).mean())

    return x, pca(x, 2), found, match(projected), match(code)


def draw(filename, x, components, found):
    """Draw the points with both pairs of directions."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    rows = {"PCA": components, "network with hidden_l1": found}
    for axes, (title, directions) in zip(figure.subplots(1, 2), rows.items()):
        axes.scatter(*x.T, s=3, color="0.6", alpha=0.6, linewidth=0)
        for direction, colour in zip(directions.T, ["#2f6fde", "#d97706"]):
            end = 3.5 * direction / np.linalg.norm(direction)
            axes.plot([-end[0], end[0]], [-end[1], end[1]], color=colour, lw=2.5)
        axes.set(title=title, xlim=(-5, 5), ylim=(-5, 5), aspect="equal", xticks=[], yticks=[])
    figure.savefig(filename, dpi=130)


def main(picture="pca_and_ica.png", epochs=60, seed=13):
    """Compare, and draw; return the numbers that are printed.

    Parameters
    ----------
    picture : str, optional
        Where to write the picture.
    epochs : int, optional
        Passes over the data, at most.
    seed : int, optional
        Decides everything random.
    """
    by_pca, by_network, angle = same_subspace(seed, epochs)
    x, components, found, pca_match, match = independent_sources(seed, epochs)
    print(f"share of variance: PCA {by_pca:.4f}, network {by_network:.4f}")
    print(f"angles between the two subspaces: at most {angle:.1f} degrees")
    print(f"correlation with the sources: PCA {pca_match:.2f}, network with penalty {match:.2f}")
    draw(picture, x, components, found)
    print(f"picture: {picture}")
    return dict(pca=by_pca, network=by_network, angle=float(angle), pca_match=pca_match, match=match)


if __name__ == "__main__":
    main(*sys.argv[1:2])
