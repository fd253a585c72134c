"""What devices exchange in a step of training: ``python -m benchmarks.collectives``.

Networks of the benchmarks are trained for an epoch on virtual devices of the processor, the collective operations in
their compiled programs are counted, and a table says what that means for GPUs: the least time for the exchange, and so
the largest speedup, by the assumptions in :data:`LINKS`. The page docs/devices.md has such a table.
"""

import collections
import contextlib
import os
import re

#: Kinds of operations by which devices exchange data.
KINDS = "all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"

_LINE = re.compile(rf"= (?P<types>.*?) (?P<kind>{'|'.join(KINDS)})(?:-start)?\(")
_ARRAY = re.compile(r"([a-z]+)(\d*)(?:[a-z]\w*)?\[([\d,]*)\]")
_NAME = re.compile(r'op_name="([^"]*)"')

Collective = collections.namedtuple("Collective", "kind bytes depth")
Collective.__doc__ = (
    """An operation in a program: its kind, the bytes of its result, and the number of loops around it."""
)


def collectives(text):
    """Return the collective operations in the text of a compiled program.

    Examples
    --------
    >>> collectives('%a = (f32[2,3]{1,0}, pred[]) all-reduce(%b, %c), metadata={op_name="jit(run)/while/body/add"}')
    [Collective(kind='all-reduce', bytes=25, depth=1)]
    """
    found = []
    for line in text.splitlines():
        match = _LINE.search(line)
        if match:
            size = sum(_size(*item.groups()) for item in _ARRAY.finditer(match["types"]))
            name = _NAME.search(line)
            depth = name[1].split("/").count("while") if name else 0
            found.append(Collective(match["kind"], size, depth))
    return found


def _size(kind, bits, lengths):
    count = 1
    for length in filter(None, lengths.split(",")):
        count *= int(length)
    return count * max(int(bits or 8) // 8, 1)


@contextlib.contextmanager
def recorded():
    """Context manager that gives a list, to which the texts of all programs compiled within it are added."""
    import jax

    texts, compile_it = [], jax.stages.Lowered.compile

    def compile_and_record(self, *args, **kwargs):
        compiled = compile_it(self, *args, **kwargs)
        texts.append(compiled.as_text())
        return compiled

    jax.stages.Lowered.compile = compile_and_record
    try:
        yield texts
    finally:
        jax.stages.Lowered.compile = compile_it


def of_training(net, data, batch_size, devices):
    """Train for an epoch of whole batches, and return the collective operations in the loop over them."""
    with recorded() as texts:
        net.train(data, algo="rmsprop", batch_size=batch_size, epochs=1, rng=1, devices=devices)
    # the longest program is that of a training step; the others are validations.
    return collectives(max(texts, key=len))


#: The way between devices: their number, bytes a second of each, and seconds until the first byte arrives.
LINKS = {
    "8 GPUs, NVLink": (8, 300e9, 15e-6),
    "8 GPUs, PCIe 4": (8, 20e9, 25e-6),
    "8 hosts, 100 Gbit/s": (8, 11e9, 40e-6),
    "8 hosts, 10 Gbit/s": (8, 1.1e9, 100e-6),
}

#: Floating-point operations a second that a GPU reaches on large products in full float32 precision, and seconds that
#: each kernel takes at least. A step of a loop over time has about four kernels that wait for each other, each way.
RATE, KERNEL = 20e12, 5e-6


def exchange(operations, count, rate, latency):
    """Return the seconds that all-reduces take at least: in a ring, each device sends 2 (n - 1) / n of the bytes."""
    return sum(latency + 2 * (count - 1) / count * item.bytes / rate for item in operations)


def step_time(network, divided=1):
    """Return the seconds that a step of training takes at least, if the batch is divided among so many GPUs."""
    rows = network.batch * network.steps
    # forwards, and backwards once for the weights and once for what comes in, each a multiplication and an addition.
    operations = 6 * network.multiplied * rows
    kernels = 20 + (8 * network.steps if network.steps > 1 else 0)
    return kernels * KERNEL + operations / divided / RATE


def gains(network, operations, link):
    """Return how many times more examples a second several devices train on, by two ways to use them.

    Returns
    -------
    same, larger : float
        With the same batch, of which each device has a part; and with a batch as many times as large.
    """
    count, time = link[0], exchange(operations, *link)
    one = step_time(network)
    return one / (step_time(network, count) + time), count * one / (one + time)


Example = collections.namedtuple("Example", "name net data batch multiplied steps")
Example.__doc__ = "A network with its data, how many weights multiply each row, and the number of steps in time."


def networks():
    """Yield the networks of the table."""
    import numpy as np
    import theanets

    rng = np.random.RandomState(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype("f")

    yield Example("64-32-64", theanets.Autoencoder([64, (32, "tanh"), 64], rng=1), [draw(256, 64)], 64, 4096, 1)
    net = theanets.Autoencoder([784, (1024, "relu"), 784], rng=1)
    yield Example("784-1024-784", net, [draw(512, 784)], 256, 2 * 784 * 1024, 1)
    for size, wide in ((100, 10), (1024, 128)):
        net = theanets.recurrent.Regressor([wide, (size, "lstm"), wide], rng=1)
        weights = 4 * size * (wide + size) + size * wide
        yield Example(f"LSTM({size}), 50 steps", net, [draw(64, 50, wide), draw(64, 50, wide)], 64, weights, 50)
    layers = [(28, 28, 1), dict(form="conv2", size=16, filter_size=5), dict(form="pool2", pool_size=2), "flat", 10]
    data = [draw(128, 28, 28, 1), rng.randint(0, 10, 128).astype("int32")]
    weights = 24 * 24 * 25 * 16 + 12 * 12 * 16 * 10
    yield Example("convnet, 28 x 28", theanets.convolution.Classifier(layers, rng=1), data, 64, weights, 1)


def row(network, found):
    """Return a line of the table, for the collective operations that were found."""
    step = [item for item in found if item.depth == 1]
    kinds = collections.Counter(item.kind for item in step)
    kinds["in loops over time"] = len(found) - len(step)
    shown = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    cells = [network.name, str(network.batch), shown, f"{sum(item.bytes for item in step) / 1e3:.0f} kB"]
    for link in LINKS.values():
        cells.append(" / ".join(f"{gain:.1f}" for gain in gains(network, step, link)))
    return f"| {' | '.join(cells)} |"


def main():
    """Print the table."""
    import logging

    import theanets

    for name in ("theanets", "downhill"):
        logging.getLogger(name).setLevel("WARNING")
    theanets.set_mode("XLA")
    head = "network", "batch", "in a step", "bytes", *LINKS
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for network in networks():
        print(row(network, of_training(network.net, network.data, network.batch, 8)), flush=True)


if __name__ == "__main__":
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=8"
    main()
