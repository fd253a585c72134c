"""Train a deep classifier from few labels: at once, layer by layer, and after pretraining.

Of 1200 pictures of digits only a hundred have labels. A network with three hidden layers is trained on these in three
ways: at once; ``layerwise``, one hidden layer after the other (algo='layerwise'); and after a tied autoencoder has
learned from all pictures, with and without labels, what digits look like (pretraining without supervision).

What you should see: three lines like

    at once           81.1 % right
    layer by layer    84.6 % right
    after pretraining 83.1 % right

and ``digits_deep_classifier.png``, with the weights of the first layer as they were learned in each way. Both
kinds of preparation are worth a few per cent; which is worth more depends on the split of the pictures. Pretraining
leaves few large weights, where training at once leaves most as they were drawn.

Run it with no arguments, or with the name of the picture to write. It takes less than a minute.
"""

import sys

import numpy as np
import theanets
import theanets.plot
from matplotlib.figure import Figure
from sklearn.datasets import load_digits


def load(labelled, seed):
    """Return all pictures to learn from, those with labels, and those to test with."""
    digits = load_digits()
    order = np.random.RandomState(seed).permutation(len(digits.data))
    x, y = digits.data[order].astype("f") / 16, digits.target[order].astype("i")
    return x[:1200], (x[:labelled], y[:labelled]), (x[1200:], y[1200:])


def classifier(hidden, seed):
    """Return a classifier with these hidden layers."""
    return theanets.Classifier([64, *((size, "tanh") for size in hidden), 10], rng=np.random.RandomState(seed))


def pretrain(net, pictures, hidden, options, seed):
    """Train a tied autoencoder on pictures, and copy its encoder to the first layers of a classifier."""
    code = [(size, "tanh") for size in hidden]
    back = [(size, "tied", "tanh") for size in hidden[-2::-1]]
    coder = theanets.Autoencoder([64, *code, *back, (64, "tied", "sigmoid")], rng=np.random.RandomState(seed))
    coder.train([pictures], input_noise=0.2, **options)
    for i in range(1, len(hidden) + 1):
        for name in ("w", "b"):
            net.find(i, name).set_value(coder.find(i, name).get_value())


def main(picture="digits_deep_classifier.png", hidden=(100, 50, 25), labelled=100, epochs=60, seed=13):
    """Train in three ways and compare; return the shares of pictures that are recognised.

    Parameters
    ----------
    picture : str, optional
        Where to write the picture.
    hidden : sequence of int, optional
        Sizes of the hidden layers.
    labelled : int, optional
        Number of pictures with labels.
    epochs : int, optional
        Passes over the training data, at most, for each stage.
    seed : int, optional
        Decides everything random.
    """
    theanets.set_log("warning")  # four trainings, some of several stages, would print hundreds of lines
    pictures, train, test = load(labelled, seed)
    options = dict(algo="adam", learning_rate=0.003, batch_size=25, epochs=epochs)
    networks = {name: classifier(hidden, seed) for name in ("at once", "layer by layer", "after pretraining")}
    pretrain(networks["after pretraining"], pictures, hidden, options, seed)
    networks["layer by layer"].train(train, **{**options, "algo": "layerwise", "subalgo": "adam"})
    shares = {}
    for name, net in networks.items():
        net.train(train, **options)
        shares[name] = float(net.score(*test))
    for name, share in shares.items():
        print(f"{name:17s} {100 * share:.1f} % right")

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    for axes, (name, net) in zip(figure.subplots(1, len(networks)), networks.items()):
        theanets.plot.weights(net, "hid1", ax=axes).set_title(name)
    figure.savefig(picture, dpi=110)
    print(f"picture: {picture}")
    return list(shares.values())


if __name__ == "__main__":
    main(*sys.argv[1:2])
