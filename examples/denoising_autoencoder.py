"""Clean up noisy digits with an autoencoder that was trained on noise.

An autoencoder with more units than pixels could just copy. If its input is disturbed while it has to draw the clean
picture, copying does not help: it has to know what digits look like. In theanets that is one word, ``input_noise``.

What you should see: lines like

    mean squared error of noisy digits:     0.0906
    as drawn by a plain autoencoder:        0.0407
    as drawn by a denoising autoencoder:    0.0178

and ``denoising_autoencoder.png`` with digits, the same with noise, and what both networks make of that: the plain
one keeps much of the noise.

Run it with no arguments, or with the name of the picture to write. It takes some ten seconds.
"""

import sys

import numpy as np
import theanets
from matplotlib.figure import Figure
from sklearn.datasets import load_digits


def draw(filename, rows):
    """Draw the first ten pictures of each row."""
    figure = Figure(figsize=(10, 1.05 * len(rows)), layout="constrained")
    for axes_of_row, (title, pictures) in zip(figure.subplots(len(rows), 10), rows.items()):
        axes_of_row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=12, labelpad=8)
        for axes, picture in zip(axes_of_row, pictures):
            axes.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color("lightgray")
    figure.savefig(filename, dpi=130)


def main(picture="denoising_autoencoder.png", hidden=128, noise=0.3, epochs=60, seed=13):
    """Train, compare and draw; return the errors that are printed.

    Parameters
    ----------
    picture : str, optional
        Where to write the picture.
    hidden : int, optional
        Number of hidden units.
    noise : float, optional
        Standard deviation of the noise; pixels are from 0 to 1.
    epochs : int, optional
        Passes over the training data, at most.
    seed : int, optional
        Decides everything random.
    """
    pixels = load_digits().data.astype("f") / 16
    pixels = pixels[np.random.RandomState(seed).permutation(len(pixels))]
    train, test = pixels[:1500], pixels[1500:]
    noisy = test + noise * np.random.RandomState(seed + 1).randn(*test.shape).astype("f")
    drawn = {}
    for name, options in {"plain": {}, "denoising": dict(input_noise=noise)}.items():
        net = theanets.Autoencoder([64, hidden, (64, "sigmoid")], rng=seed)
        net.train([train], algo="adam", learning_rate=0.003, batch_size=32, epochs=epochs, **options)
        drawn[name] = net.predict(noisy)
    errors = {name: float(np.square(test - p).mean()) for name, p in {"noisy": noisy, **drawn}.items()}
    print(f"mean squared error of noisy digits:     {errors['noisy']:.4f}")
    print(f"as drawn by a plain autoencoder:        {errors['plain']:.4f}")
    print(f"as drawn by a denoising autoencoder:    {errors['denoising']:.4f}")
    draw(picture, {"digits": test, "with noise": noisy, **drawn})
    print(f"picture: {picture}")
    return errors


if __name__ == "__main__":
    main(*sys.argv[1:2])
