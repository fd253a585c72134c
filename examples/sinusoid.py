"""Follow a wave whose frequency keeps changing.

The network is told at each step how fast a wave is running at the moment, and has to put out the height of the wave.
For that it must sum up what it was told: the same frequency means another height at each step, so a network without
a memory can say nothing better than zero. Frequencies go up and down slowly, in another way in each sequence.

What you should see: lines of progress for two networks, in which the loss falls, and at the end two lines like these

    rnn: R2 0.865
    gru: R2 0.997

about waves that were not used for training; 1 would be perfect, and 0 is what one gets for always saying zero. The
layer with gates does better than the plain one of the same size. Then one of the waves is drawn, from left to right
in time, with ``o`` where the wave is, ``x`` where the second network takes it to be, and ``@`` where both are in the
same place.

Last, the same wave is fed to the network one step at a time, as it would be if it came from an instrument: this makes
a difference of no more than rounding.

Run it with no arguments, or with ``--quick`` for shorter waves and less training. The long run takes about a minute
where Theano has to do without a compiler.
"""

import argparse

import numpy as np
import theanets


def make(count, steps, rng):
    """Return frequencies, in radians per step, and heights of waves; both have the shape (count, steps, 1)."""
    time = np.arange(steps)
    speed, start = rng.uniform(0.1, 0.3, size=(count, 1)), rng.uniform(0, 2 * np.pi, size=(count, 1))
    frequencies = 0.6 + 0.4 * np.sin(speed * time + start)
    waves = np.sin(np.cumsum(frequencies, axis=1))
    return [array[:, :, np.newaxis].astype("f") for array in (frequencies, waves)]


def draw(wave, predicted, rows=11):
    """Return the lines of a drawing of two waves."""
    picture = np.full((rows, len(wave)), " ")
    for t, heights in enumerate(zip(wave, predicted)):
        places = [int(round((1 - np.clip(height, -1, 1)) / 2 * (rows - 1))) for height in heights]
        picture[places[0], t], picture[places[1], t] = "ox"
        if places[0] == places[1]:
            picture[places[0], t] = "@"
    return ["".join(line) for line in picture]


def stream(net, sequence):
    """Return what a network predicts for a sequence (steps, variables) that it is fed one step at a time."""
    state, outputs = net.initial_state(1), []
    for x in sequence:
        y, state = net.step(x[np.newaxis], state)
        outputs.append(y[0])
    return np.array(outputs)


def main(steps=24, hidden=16, epochs=4, seed=13):
    """Train and compare; return the numbers that are printed.

    Parameters
    ----------
    steps : int, optional
        Length of the sequences.
    hidden : int, optional
        Units of the recurrent layers.
    epochs : int, optional
        How often 100 batches of 32 new waves are learned from.
    seed : int, optional
        Decides the waves and the initial weights.
    """
    test = make(300, steps, np.random.RandomState(seed))
    results = {}
    for form in ("rnn", "gru"):
        rng = np.random.RandomState(seed + 1)
        net = theanets.recurrent.Regressor([1, dict(form=form, size=hidden, activation="tanh"), 1], rng=seed)
        net.train(
            # Each batch is made when it is needed.
            lambda rng=rng: make(32, steps, rng),
            test,
            algo="adam",
            learning_rate=0.01,
            max_gradient_norm=1,
            train_batches=100,
            epochs=epochs,
        )
        results[form] = float(net.score(*test))

    for form, score in results.items():
        print(f"{form}: R2 {score:.3f}")
    frequencies, wave = test[0][0], test[1][0, :, 0]
    predicted = net.predict(test[0][:1])[0]
    print("\n".join(draw(wave, predicted[:, 0])))
    results["difference"] = float(abs(stream(net, frequencies) - predicted).max())
    print(f"one step at a time: a difference of at most {results['difference']:.0e}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter waves and less training")
    main(**dict(steps=10, epochs=1) if parser.parse_args().quick else {})
