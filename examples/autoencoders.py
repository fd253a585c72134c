"""Autoencoders of every kind: plain, sparse, denoising, contractive and variational ones of handwritten digits.

All have 64 pixels in, a hidden layer of 64 units, a code of eight numbers, and the same way back; what differs is a
layer or an argument of ``train``. Each redraws digits that it has never seen, as they are and with noise on them.

What you should see: a line for each kind, with the mean squared error of clean digits, of noisy ones, and what is
peculiar to the kind

    plain        clean 0.012  noisy 0.056
    sparse       clean 0.014  noisy 0.049  units of the hidden layer are active 7% of the time
    denoising    clean 0.016  noisy 0.027
    contractive  clean 0.013  noisy 0.054
    variational  clean 0.026  noisy 0.048  codes have a mean of about 0 and a deviation of about 1

The denoising one undoes noise best, as it has learned to. The variational one redraws worst, as its codes are noisy
and close to a normal distribution, and is the only one that can make up digits: the last rows of the picture are draws
of it.

Run it with no arguments, or with the name of the picture to write. It takes about a minute.
"""

import sys

import numpy as np
import theanets
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

CODE = 8

# What makes each kind: the activation of the hidden layer, the form of the code, and arguments of train().
KINDS = {
    "plain": ("relu", "linear", {}),
    "sparse": ("sigmoid", "linear", dict(hidden_kl=dict(weight=0.02, level=0.05, pattern="hid1:out"))),
    "denoising": ("relu", "linear", dict(input_noise=0.3)),
    "contractive": ("relu", "linear", dict(contractive=dict(weight=30.0, pattern="hid2:out"))),
    "variational": ("relu", "gaussian", dict(latent_kl=1.0)),
}


def load(seed=13):
    """Return pictures to train with and to test with, and the digits that the latter show."""
    digits = load_digits()
    order = np.random.RandomState(seed).permutation(len(digits.data))
    pixels, labels = digits.data[order].astype("f") / 16, digits.target[order]
    return pixels[300:], pixels[:300], labels[:300]


def build(kind, seed=13):
    """Return an autoencoder of a kind."""
    activation, code, _ = KINDS[kind]
    # binary cross-entropy of shades of grey, so that the penalty of the variational one is in its proper proportion.
    loss = "bce" if kind == "variational" else "mse"
    return theanets.Autoencoder(
        [64, (64, activation), (CODE, code), (64, "relu"), (64, "sigmoid")], loss=loss, rng=seed
    )


def main(picture="autoencoders.png", epochs=60, seed=13):
    """Train an autoencoder of each kind, compare and draw them; return the errors by kind.

    Parameters
    ----------
    picture : str or path, optional
        Where to write the picture.
    epochs : int, optional
        Passes over the training data.
    seed : int, optional
        Decides the split of the data, the noise, and the initial weights.
    """
    train, test, labels = load(seed)
    noisy = test + 0.3 * np.random.RandomState(seed).randn(*test.shape).astype("f")
    rows, errors = {"digits": test, "with noise": noisy}, {}
    for kind, (_, _, options) in KINDS.items():
        net = build(kind, seed)
        net.train(
            [train], algo="adam", learning_rate=0.003, epochs=epochs, validation_split=0.2, shuffle="rows", **options
        )
        drawn = net.predict(test)
        clean, rough = (float(np.square(net.predict(x) - test).mean()) for x in (test, noisy))
        errors[kind] = clean, rough
        note = ""
        if kind == "sparse":
            note = f"  units of the hidden layer are active {net.feed_forward(test)['hid1:out'].mean():.0%} of the time"
        if kind == "variational":
            codes = net.encode(test, sample=True)
            note = f"  codes have a mean of {abs(codes.mean(axis=0)).mean():.1f} and a deviation of {codes.std():.1f}"
            rows[kind], rows["its draws"] = drawn, net.sample(20, rng=seed)
        else:
            rows[kind] = net.predict(noisy) if kind == "denoising" else drawn
        print(f"{kind:12} clean {clean:.3f}  noisy {rough:.3f}{note}")
    draw(picture, rows, labels)
    print(f"picture: {picture}")
    return errors


def draw(filename, rows, labels):
    """Write a picture with a row for each kind, and a column for each digit."""
    columns = [np.flatnonzero(labels == digit)[0] for digit in range(10)]
    figure = Figure(figsize=(9, 0.85 * len(rows)), layout="constrained")
    for axes_of_row, (title, pictures) in zip(figure.subplots(len(rows), len(columns)), rows.items()):
        title = "denoising\n(of the noisy)" if title == "denoising" else title
        axes_of_row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=11, labelpad=8)
        shown = pictures if title == "its draws" else pictures[columns]
        for axes, pixels in zip(axes_of_row, shown):
            axes.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color("lightgray")
    figure.savefig(filename, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:2])
