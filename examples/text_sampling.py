"""Let a network that reads a book letter by letter go on by itself.

The book is the beginning of "Alice's Adventures in Wonderland" by Lewis Carroll (1865), which is in the public
domain: four chapters, some 46,000 characters, in the file ``data/alice.txt``. The network is shown the text one
character after another, and learns to say how likely each character is to be the next one. Then it is given the
beginning of a sentence, draws a character from what it thinks likely, takes that for the next one, and so on.

How bold it is in that is set by a temperature. Near zero it takes the likeliest character nearly always, and soon
repeats itself; at 1 it draws from the probabilities as they are; above 1 it prefers to be surprised.

What you should see: lines of progress in which the loss falls, that is, the number of nats (1.44 bits) by which a
character surprises the network on average, from 3.7, which is what guessing among 41 characters is worth, to about
1.6. Then samples for three temperatures. With so little training they make no sense, but letters come in the shape of
words: of the right length, with vowels in them, and the shortest and most frequent ones spelled right, most of all at
the lowest temperature. Last comes a line like

    words that are in the book: 96% at 0.3, 69% at 0.7, 56% at 1

Run it with no arguments, or with ``--quick`` for little training, after which only the very shortest words are right.
The long run takes about two minutes where Theano has to do without a compiler.
"""

import argparse
import pathlib
import re

import numpy as np
import theanets

BOOK = pathlib.Path(__file__).parent / "data" / "alice.txt"


def words_of(text):
    """Return the words of a text, in small letters."""
    return re.findall(r"[a-z]+", text.lower())


def main(steps=40, batch_size=32, hidden=64, epochs=6, length=300, temperatures=(0.3, 0.7, 1), seed=13):
    """Train and sample; return the samples by temperature.

    Parameters
    ----------
    steps : int, optional
        How many characters the network is shown in a row.
    batch_size : int, optional
        How many such pieces of text it is shown at a time.
    hidden : int, optional
        Units of the recurrent layer.
    epochs : int, optional
        How often 50 batches are learned from.
    length : int, optional
        How many characters are drawn.
    temperatures : sequence of float, optional
        At which temperatures.
    seed : int, optional
        Decides the pieces of text, the initial weights and the samples.
    """
    book = BOOK.read_text(encoding="utf-8")
    # Small letters are enough, and line breaks say nothing about the language.
    text = theanets.recurrent.Text(" ".join(book.lower().split()), min_count=10, unknown="#")
    num_classes = 1 + len(text.alpha)

    # Each character stands for a vector, which is learned as well.
    characters = dict(form="input", size=num_classes, dtype="int32")
    net = theanets.recurrent.Classifier(
        [characters, (16, "embed"), dict(form="gru", size=hidden, activation="tanh"), num_classes], rng=seed
    )
    net.train(
        text.classifier_batches(steps, batch_size, rng=seed, one_hot=False),
        text.classifier_batches(steps, 4 * batch_size, rng=seed + 1, one_hot=False),
        algo="adam",
        learning_rate=0.01,
        max_gradient_norm=1,
        train_batches=50,
        valid_batches=1,
        epochs=epochs,
    )

    beginning = "alice was "
    known, samples, shares = set(words_of(book)), {}, {}
    for temperature in temperatures:
        labels = net.predict_sequence(text.encode(beginning), length, rng=seed, temperature=temperature)
        samples[temperature] = beginning + text.decode(labels)
        # The last word may be cut off.
        words = words_of(samples[temperature])[2:-1]
        shares[temperature] = float(np.mean([word in known for word in words])) if words else 0.0
        print(f"\ntemperature {temperature}:\n{samples[temperature]}")
    told = ", ".join(f"{100 * share:.0f}% at {temperature}" for temperature, share in shares.items())
    print(f"\nwords that are in the book: {told}")
    return dict(samples=samples, shares=shares)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little training and short samples")
    main(**dict(steps=15, batch_size=16, hidden=32, epochs=1, length=60) if parser.parse_args().quick else {})
