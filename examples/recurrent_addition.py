"""Add two numbers that are marked in a long row of them.

Each sequence is a row of random numbers from 0 to 1. Two of them are marked, one in the first half and one in the
second; from then on the network has to put out their sum. To do so it must tell what matters from what does not, and
keep it: much like a task that S Hochreiter and J Schmidhuber set their LSTM ("Long Short-Term Memory", Neural
Computation 9(8), 1997).

What you should see: lines of progress in which the loss falls, and at the end lines like these

    always saying 1: mean squared error 0.1663
    network:         mean squared error 0.0008, 100% of the sums right within 0.1

about what is put out at the last step of rows that were not used for training, followed by some sums.

Then the same network is given rows of different lengths, most of them longer than any that it has learned from, all
at once. Its error is several times larger there, but still a small part of that of always saying 1: it keeps the sum
for longer than it was ever asked to.

Run it with no arguments, or with ``--quick`` for shorter rows and less training. The long run takes about a minute
where Theano has to do without a compiler.
"""

import argparse

import numpy as np
import theanets


def make(count, steps, rng):
    """Return inputs (count, steps, 2), targets and their weights (both (count, steps, 1))."""
    rows = np.arange(count)
    marks = rng.randint(0, steps // 2, size=count), rng.randint(steps // 2, steps, size=count)
    inputs = np.zeros((count, steps, 2), "f")
    inputs[:, :, 0] = rng.uniform(size=(count, steps))
    targets, weights = np.zeros((2, count, steps, 1), "f")
    for mark in marks:
        inputs[rows, mark, 1] = 1
        targets += inputs[rows, mark, 0].reshape(-1, 1, 1)
    # What the network puts out before it can know the sum does not count.
    weights[np.arange(steps) >= marks[1][:, np.newaxis]] = 1
    return [inputs, targets, weights]


def main(steps=16, longer=30, hidden=8, epochs=4, seed=13):
    """Train and measure; return the numbers that are printed.

    Parameters
    ----------
    steps : int, optional
        Length of the rows to learn from.
    longer : int, optional
        The greatest length of the rows that are tried afterwards.
    hidden : int, optional
        Units of the recurrent layer.
    epochs : int, optional
        How often 100 batches of 32 new rows are learned from.
    seed : int, optional
        Decides the rows and the initial weights.
    """
    rng = np.random.RandomState(seed)
    test = make(500, steps, rng)
    net = theanets.recurrent.Regressor(
        [2, dict(form="gru", size=hidden, activation="tanh"), 1], weighted=True, rng=seed
    )
    net.train(
        # Each batch is made when it is needed.
        lambda: make(32, steps, rng),
        test,
        algo="adam",
        learning_rate=0.01,
        max_gradient_norm=1,
        train_batches=100,
        epochs=epochs,
    )

    sums, answers = test[1][:, -1, 0], net.predict(test[0])[:, -1, 0]
    results = dict(
        constant=float(((sums - 1) ** 2).mean()),
        error=float(((sums - answers) ** 2).mean()),
        right=float((abs(sums - answers) < 0.1).mean()),
    )
    print(f"rows of {steps} numbers:")
    print(f"always saying 1: mean squared error {results['constant']:.4f}")
    print(
        f"network:         mean squared error {results['error']:.4f}, "
        f"{100 * results['right']:.0f}% of the sums right within 0.1"
    )
    for x, total, answer in list(zip(test[0], sums, answers))[:5]:
        one, two = x[x[:, 1] == 1, 0]
        print(f"{one:.2f} + {two:.2f} = {total:.2f}, and the network says {answer:.2f}")

    # One row of each length; a list of them may be handed to the network as it is.
    lengths = rng.randint(steps, longer + 1, size=200)
    rows = [[array[0] for array in make(1, length, rng)] for length in lengths]
    answers = np.array([y[-1, 0] for y in net.predict([x for x, _, _ in rows])])
    sums = np.array([y[-1, 0] for _, y, _ in rows])
    results["longer"] = float(((sums - answers) ** 2).mean())
    print(f"rows of {steps} to {longer} numbers: mean squared error {results['longer']:.4f}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter rows and less training")
    main(**dict(steps=6, longer=10, epochs=1) if parser.parse_args().quick else {})
