"""Remember a number over many steps.

Each sequence shows one number at its first step, with a flag that says "this one", and after that nothing but other
numbers, which do not matter. At the last step the network has to say what the first number was. A plain recurrent
layer computes its state anew at each step, so the number fades in a few of them; an LSTM layer has cells that keep
what they hold until a gate is opened.

What you should see: lines of progress for both networks, in which the loss of the LSTM drops after a while and that
of the plain network stays where it was, and at the end lines like these

    always saying 0: mean squared error 0.303,   9% right within 0.1
    rnn:             mean squared error 0.315,  12% right within 0.1
    lstm:            mean squared error 0.002,  99% right within 0.1

about sequences that were not used for training: the plain network does no better than one that says nothing. Last
come some numbers and what the LSTM makes of them.

Run it with no arguments, or with ``--quick`` for shorter sequences and so little training that neither is good. The
long run takes about a minute where Theano has to do without a compiler.
"""

import argparse

import numpy as np
import theanets


def make(count, steps, rng):
    """Return inputs (count, steps, 2), targets and their weights (both (count, steps, 1))."""
    inputs = np.zeros((count, steps, 2), "f")
    inputs[:, :, 0] = rng.uniform(-1, 1, size=(count, steps))
    inputs[:, 0, 1] = 1  # the flag.
    targets = np.zeros((count, steps, 1), "f")
    targets[:, -1] = inputs[:, 0, :1]
    # Only the answer counts, not what the network puts out before.
    weights = np.zeros_like(targets)
    weights[:, -1] = 1
    return [inputs, targets, weights]


def judge(right, answer):
    """Return the mean squared error of some answers, and which part of them is nearly right."""
    return dict(error=float(((right - answer) ** 2).mean()), right=float((abs(right - answer) < 0.1).mean()))


def main(steps=15, hidden=8, epochs=8, seed=13):
    """Train and compare; return the numbers that are printed.

    Parameters
    ----------
    steps : int, optional
        Length of the sequences.
    hidden : int, optional
        Units of the recurrent layers.
    epochs : int, optional
        How often 50 batches of 64 new sequences are learned from.
    seed : int, optional
        Decides the sequences and the initial weights.
    """
    test = make(500, steps, np.random.RandomState(seed))
    right = test[1][:, -1, 0]
    results = {"always saying 0": judge(right, np.zeros_like(right))}
    for form in ("rnn", "lstm"):
        rng = np.random.RandomState(seed + 1)
        net = theanets.recurrent.Regressor([2, dict(form=form, size=hidden), 1], weighted=True, rng=seed)
        net.train(
            # Each batch is made when it is needed.
            lambda rng=rng: make(64, steps, rng),
            test,
            algo="adam",
            learning_rate=0.02,
            max_gradient_norm=1,
            train_batches=50,
            epochs=epochs,
        )
        answer = net.predict(test[0])[:, -1, 0]
        results[form] = judge(right, answer)

    print(f"a number shown {steps - 1} steps ago:")
    for who, numbers in results.items():
        print(
            f"{who + ':':16s} mean squared error {numbers['error']:.3f}, "
            f"{100 * numbers['right']:3.0f}% right within 0.1"
        )
    for i in range(5):
        print(f"it was {right[i]:5.2f}, and the LSTM says {answer[i]:5.2f}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter sequences and less training")
    main(**dict(steps=6, epochs=3) if parser.parse_args().quick else {})
