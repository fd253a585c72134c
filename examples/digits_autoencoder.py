"""Squeeze pictures of handwritten digits through eight numbers and draw them again.

Every picture has 8 x 8 pixels. A deep autoencoder learns to describe each of them with eight numbers, and to draw
the picture again from these. The way back uses the weights of the way in, transposed ("tied"), so it adds few
parameters of its own. Principal component analysis (PCA) does the same with one straight projection; it is the best
that any linear map can do, so what the network gains over it is what its bends are worth.

What you should see: a line for each pass over the training data, in which the loss falls, then lines like these

    300 digits that the network has never seen, 8 numbers each:
    network: R2 0.916, mean squared error 0.0119
    PCA:     R2 0.832, mean squared error 0.0239

None of these digits was used to train or to decide when to stop, and the network makes half the error. Then the
network is saved, and a second Python process loads it and predicts the same, bit for bit. Last, a picture shows one
digit of each kind, below it what the network makes of it, and below that what PCA does: the network's strokes are
crisper, and PCA's have ghosts.

Run it with no arguments, or with the name of the picture to write. It takes well under a minute, and most of that
goes into compiling; the second time it is a matter of seconds.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import theanets
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

# What another program has to do to use a network that was saved.
SECOND_PROCESS = """
import sys
import numpy as np
import theanets

model, pictures, result = sys.argv[1:]
net = theanets.Autoencoder.load(model)
np.save(result, net.predict(np.load(pictures)))
"""


def load(seed=13):
    """Return pictures to train, validate and test with, and the digits that the test pictures show."""
    digits = load_digits()
    pixels = digits.data.astype("f") / 16  # the scanner's 0..16, now 0..1
    # The same share of every digit in each part, so that none is judged on a kind that it hardly met.
    rest, test, rest_labels, labels = train_test_split(
        pixels, digits.target, test_size=300, stratify=digits.target, random_state=seed
    )
    train, valid = train_test_split(rest, test_size=300, stratify=rest_labels, random_state=seed)
    return train, valid, test, labels


def judge(pictures, drawn):
    """Return R2, as ``net.score`` defines it, and the mean squared error per pixel."""
    error = np.square(pictures - drawn)
    return float(1 - error.sum() / np.square(pictures - pictures.mean()).sum()), float(error.mean())


def predict_elsewhere(model, pictures):
    """Return what a new Python process predicts that knows the network only from the file ``model``."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = pathlib.Path(folder, "given.npy"), pathlib.Path(folder, "result.npy")
        np.save(given, pictures)
        subprocess.run([sys.executable, "-c", SECOND_PROCESS, str(model), str(given), str(result)], check=True)
        return np.load(result)


def draw(filename, labels, rows):
    """Write a picture with one column for each kind of digit and one row of pictures for each title in ``rows``."""
    columns = [np.flatnonzero(labels == digit)[0] for digit in range(10)]
    figure = Figure(figsize=(10, 1.05 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(columns))
    for axes_of_row, (title, pictures) in zip(grid, rows.items()):
        axes_of_row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=12, labelpad=8)
        for axes, column in zip(axes_of_row, columns):
            axes.imshow(pictures[column].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color("lightgray")
    figure.savefig(filename, dpi=150)


def main(picture="digits_autoencoder.png", hidden=(128, 32), code=8, epochs=100, seed=13):
    """Train, compare, save, load and draw; return the numbers that are printed.

    Parameters
    ----------
    picture : str or path, optional
        Where to write the picture. The network is saved beside it, with the suffix ``.pkl.gz``.
    hidden : sequence of int, optional
        Units of the layers between the pixels and the code.
    code : int, optional
        How many numbers describe a picture.
    epochs : int, optional
        Passes over the training data, at most; it ends earlier if validation stops improving.
    seed : int, optional
        Decides the split of the data, the initial weights and the order of the batches.
    """
    train, valid, test, labels = load(seed)

    net = theanets.Autoencoder(
        [
            train.shape[1],
            *hidden,
            # Straight lines in the middle: the code may take any value.
            (code, "linear"),
            *((size, "tied") for size in reversed(hidden)),
            # Ink is between nothing and 1, and so is the output.
            (train.shape[1], "tied", "sigmoid"),
        ],
        rng=seed,
    )
    net.train(train, valid, algo="adam", learning_rate=0.003, batch_size=32, patience=5, epochs=epochs)

    drawn = net.predict(test)
    pca = PCA(code, random_state=seed).fit(train)
    pca_drawn = pca.inverse_transform(pca.transform(test))

    r2, error = net.score(test), judge(test, drawn)[1]
    pca_r2, pca_error = judge(test, pca_drawn)
    print(f"{len(test)} digits that the network has never seen, {code} numbers each:")
    print(f"network: R2 {r2:.3f}, mean squared error {error:.4f}")
    print(f"PCA:     R2 {pca_r2:.3f}, mean squared error {pca_error:.4f}")

    picture = pathlib.Path(picture)
    model = picture.with_suffix(".pkl.gz")
    net.save(model)
    identical = bool(np.array_equal(drawn, predict_elsewhere(model, test)))
    print(f"saved as {model}; a second process loads it and predicts", "the same" if identical else "SOMETHING ELSE")

    draw(picture, labels, {"digits": test, "network": drawn, "PCA": pca_drawn})
    print(f"picture: {picture}")
    return dict(r2=r2, error=error, pca_r2=pca_r2, pca_error=pca_error, identical=identical)


if __name__ == "__main__":
    main(*sys.argv[1:2])
