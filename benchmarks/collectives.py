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


#: The way from one device to the others: bytes a second of each device, and seconds until the first of them arrive.
LINKS = {
    "8 GPUs, NVLink": (8, 300e9, 15e-6),
    "8 GPUs, PCIe 4": (8, 20e9, 25e-6),
    "8 hosts, 100 Gbit/s": (8, 11e9, 40e-6),
    "8 hosts, 10 Gbit/s": (8, 1.1e9, 100e-6),
}


def exchange(operations, count, rate, latency):
    """Return the seconds that all-reduces take at least: in a ring, each device sends 2 (n - 1) / n of the bytes."""
    return sum(latency + 2 * (count - 1) / count * item.bytes / rate for item in operations)


def networks():
    """Yield the networks: name, network, data, and the seconds of a step on one GPU that the table assumes."""
    import numpy as np
    import theanets

    rng = np.random.RandomState(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype("f")

    def labels(count):
        return rng.randint(0, 10, count).astype("int32")

    yield "64-32-64", theanets.Autoencoder([64, (32, "tanh"), 64], rng=1), [draw(256, 64)], 64
    yield "784-1024-784", theanets.Autoencoder([784, (1024, "relu"), 784], rng=1), [draw(512, 784)], 256
    lstm = theanets.recurrent.Regressor([10, (100, "lstm"), 5], rng=1)
    yield "LSTM(100), 50 steps", lstm, [draw(128, 50, 10), draw(128, 50, 5)], 64
    lstm = theanets.recurrent.Regressor([128, (1024, "lstm"), 128], rng=1)
    yield "LSTM(1024), 50 steps", lstm, [draw(64, 50, 128), draw(64, 50, 128)], 64
    layers = [(28, 28, 1), dict(form="conv2", size=16, filter_size=5), dict(form="pool2", pool_size=2), "flat", 10]
    yield "convnet, 28 x 28", theanets.convolution.Classifier(layers, rng=1), [draw(128, 28, 28, 1), labels(128)], 64


def main():
    """Print the table."""
    for name, net, data, batch in networks():
        found = of_training(net, data, batch, 8)
        step = [item for item in found if item.depth == 1]
        deeper = len(found) - len(step)
        kinds = collections.Counter(item.kind for item in step)
        total = sum(item.bytes for item in step)
        times = [f"{1e6 * exchange(step, *link):.0f}" for link in LINKS.values()]
        print(
            f"| {name} | {batch} | {dict(kinds)} {deeper or ''} | {total / 1e3:.1f} | {' | '.join(times)} |", flush=True
        )


if __name__ == "__main__":
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=8"
    main()
