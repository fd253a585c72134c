"""Recognise handwritten digits by small filters, and see what they are worth.

Every picture has 8 x 8 pixels. A dense layer has to learn anew for each pixel what a stroke looks like there. A
convolution slides a few small filters over the whole picture instead, so that a stroke is the same thing wherever it
is; pooling then keeps the strongest response of each 2 x 2 neighbourhood, which makes it matter less where exactly
that was. The script trains one network of each kind, with about the same number of parameters, in the same way on the
same pictures.

What you should see: lines of progress for both networks, in which the loss falls, and at the end a table like this

    network        parameters  right  wrong
    convolutional        1898    582     18
    dense                1885    568     32

about pictures that were used neither to train nor to decide when to stop. The convolutional network makes fewer
mistakes: from one split of the pictures to another, half to three quarters of those that the dense one makes. Last,
the picture that it was least sure about is drawn in characters.

Run it with no arguments, or with ``--quick`` for a few passes over the data with fewer filters. The long run takes
about a minute, most of which Theano spends compiling if it has not seen these networks before.
"""

import argparse

import numpy as np
import theanets
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load(seed=13):
    """Return (pictures, labels) to train, validate and test with; pictures have the shape (examples, 8, 8, 1)."""
    digits = load_digits()
    pixels = digits.images[..., np.newaxis].astype("f") / 16  # the scanner's 0..16, now 0..1
    labels = digits.target.astype("i")
    # The same share of every digit in each part, so that none is judged on a kind that it hardly met.
    rest, test, rest_labels, test_labels = train_test_split(
        pixels, labels, test_size=600, stratify=labels, random_state=seed
    )
    train, valid, train_labels, valid_labels = train_test_split(
        rest, rest_labels, test_size=200, stratify=rest_labels, random_state=seed
    )
    return (train, train_labels), (valid, valid_labels), (test, test_labels)


def convolutional(filters, seed):
    """Return a network with two convolutions, each followed by pooling."""
    first, second = filters
    return theanets.convolution.Classifier(
        [
            (8, 8, 1),
            # "same" pads the picture, so that strokes at its edge are not lost: 8 x 8 responses to each filter,
            dict(form="conv2", size=first, filter_size=3, border_mode="same", std_b=0.1),
            # of which 4 x 4 are left.
            dict(form="pool2", pool_size=2),
            dict(form="conv2", size=second, filter_size=3, border_mode="same", std_b=0.1),
            dict(form="pool2", pool_size=2),
            "flat",
            10,
        ],
        rng=seed,
    )


def dense(num_params, seed):
    """Return a network with one hidden layer, and at most so many parameters."""
    # each hidden unit has 64 weights for the pixels, a bias, and 10 weights for the classes.
    hidden = (num_params - 10) // (64 + 1 + 10)
    return theanets.convolution.Classifier([(8, 8, 1), "flat", dict(size=hidden, std_b=0.1), 10], rng=seed)


def draw(picture):
    """Return the lines of a drawing of one picture."""
    shades = np.array(list(" .:*#"))
    return ["".join(shades[(row * 4.99).astype(int)].repeat(2)) for row in picture[..., 0]]


def main(filters=(8, 16), epochs=60, seed=13):
    """Train and compare; return the numbers that are printed.

    Parameters
    ----------
    filters : pair of int, optional
        How many filters the two convolutions have.
    epochs : int, optional
        Passes over the training data, at most; it ends earlier if validation stops improving.
    seed : int, optional
        Decides the split of the data, the initial weights and the order of the batches.
    """
    train, valid, (pictures, labels) = load(seed)
    networks = {"convolutional": convolutional(filters, seed)}
    networks["dense"] = dense(networks["convolutional"].num_params, seed)

    results = {}
    for name, net in networks.items():
        net.train(train, valid, algo="adam", learning_rate=0.005, batch_size=32, patience=5, epochs=epochs)
        results[name] = dict(params=net.num_params, right=int((net.predict(pictures) == labels).sum()))

    print("network        parameters  right  wrong")
    for name, numbers in results.items():
        right = numbers["right"]
        print(f"{name:13s} {numbers['params']:11d} {right:6d} {len(labels) - right:6d}")

    probabilities = networks["convolutional"].predict_proba(pictures)
    least = probabilities.max(axis=1).argmin()
    print(f"least sure about this {labels[least]}, which it takes for a {probabilities[least].argmax()}:")
    print("\n".join(draw(pictures[least])))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer filters and fewer passes over the data")
    main(**dict(filters=(4, 8), epochs=5) if parser.parse_args().quick else {})
