"""Draws the pictures of the front page and of the quickstart: ``python docs/pictures.py``, after a change of plots."""

import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import theanets
import theanets.plot
from sklearn.datasets import load_digits

TARGET = pathlib.Path(__file__).parent / "_static"


def main():
    """Train as these pages do, and draw."""
    theanets.set_log("warning")
    digits = load_digits()
    x, y = digits.data / 16, digits.target

    net = theanets.Autoencoder([64, (16, "tanh"), (64, "tied")])
    _, valid = net.train([x[:1200]], [x[1200:]], algo="adam", learning_rate=0.003, epochs=60)
    print(f"{valid['loss']:.3f} {net.score(x[1200:]):.3f} {net.encode(x[:1]).round(1)}")
    sizes = {"width_ratios": [3, 1]}
    figure, axes = plt.subplots(1, 2, figsize=(9, 1.9), layout="constrained", gridspec_kw=sizes)
    theanets.plot.reconstructions(net, x[1200:], ax=axes[0])
    theanets.plot.weights(net, "hid1", ax=axes[1]).set_title("")
    save("front")

    net = theanets.Classifier([64, (32, "tanh"), 10])
    train, valid = net.train([x[:1200], y[:1200]], [x[1200:], y[1200:]], algo="adam", learning_rate=0.01, epochs=10,
                             validate_every=1)  # fmt: skip
    print(f"{train['acc']:.2f} {valid['acc']:.2f} {net.predict(x[1200:1210])} {y[1200:1210]}")
    theanets.plot.learning_curves(net.history)
    save("quickstart-curves")
    theanets.plot.confusion_matrix(net, x[1200:], y[1200:])
    save("quickstart-confusion")


def save(name):
    """Write the picture that has just been drawn."""
    plt.gcf().savefig(TARGET / f"{name}.png", dpi=100)
    plt.close("all")


if __name__ == "__main__":
    main()
