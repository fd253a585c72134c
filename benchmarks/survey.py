"""Prove the options that theanets gives XLA: ``python -m benchmarks.survey``.

XLA's compiler can go wrong for good: with ``xla_cpu_multi_thread_eigen`` off and YNNPACK out of the way, it compiles
the product of a transposed matrix of 16 x 20 with one of 16 x 14 without end, taking 110 MB a second. So whatever
``theanets.xla.devices`` gives a release of XLA that is not its default has compiled all that is listed here, within
limits. The result goes to ``theanets/xla/surveyed.json``; a release that is not in there gets no options, nor does one
for which anything failed. Run this again for a new release, or for new options.

What is compiled, for each set of options:

``products``
    Products of matrices of float32, in all four transpositions: each of m, k and n from 1 to 40; and all of ``WIDE``
    where one of them is next to 64 or 128. A vector that is transposed is the same vector: for m, k or n of 1, XLA sees
    one product where there are two transpositions, and only one of them is compiled.
``doubles``
    A sample of these for float64, and the whole pocket of 15 to 17 by 12 to 21 by 12 to 21 which once failed.
``loops``
    A sample for both types, and the same pocket, each product in a loop of its own.
``epochs``
    Steps of networks with two layers and all their gradients, in a loop over batches within another one, with a short
    batch at the end, as theanets trains them.
``convolutions``
    Small and larger ones, and the gradients for their images and filters, by themselves and in such epochs.

Many products are one function; where it takes more than the limits, its halves are tried, down to the product. The
compiler runs in a process of its own, which is ended. Whatever fails is in the result. What was done is kept in a file
beside it until all is: a survey that was interrupted goes on.
"""

import argparse
import datetime
import hashlib
import itertools
import json
import pathlib
import platform
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve()

SURVEYED = HERE.parent.parent / "theanets" / "xla" / "surveyed.json"

#: Sizes from 1 to so many are compiled in all combinations.
SMALL = 40

#: Powers of two around and their neighbours, with some of the small ones.
POWERS = (63, 64, 65, 127, 128, 129)
WIDE = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, *POWERS)

#: The pocket of batches (or of what is left for the last one) and layers which once failed.
POCKET = [(m, k, n) for k in (15, 16, 17) for m in range(12, 22) for n in range(12, 22)]

SEED = 13

#: How often a function is tried whose process was ended by something else.
ATTEMPTS = 5

#: So many in one function, of those for which a library is called and of those for which XLA writes code.
MANY, FEW = 400, 50


# -- what is compiled -------------------------------------------------------------------------------------------------


def transpositions(m, k, n):
    """Return the transpositions, as pairs of whether the left and the right matrix are, that are different products."""
    return list(
        itertools.product(
            (False, True) if min(m, k) > 1 else (False,),
            (False, True) if min(k, n) > 1 else (False,),
        )
    )


def with_transpositions(sizes):
    """Return the products of such sizes, (m, k, n, is left transposed, is right transposed) each."""
    return [[*size, *turned] for size in sizes for turned in transpositions(*size)]


def small_products(largest=SMALL):
    """Return all products of small sizes."""
    return with_transpositions(itertools.product(range(1, largest + 1), repeat=3))


def wide_products():
    """Return products of which one size is next to a larger power of two."""
    return with_transpositions(size for size in itertools.product(WIDE, repeat=3) if max(size) > SMALL)


def convolutions(count, draw):
    """Return settings of convolutions: batch, channels, filters, sides of images and of filters, stride, border."""
    found = []
    while len(found) < count:
        side, window = draw.choice((1, 2, 3, 5, 8, 12, 16, 28)), draw.choice((1, 2, 3, 4, 5))
        if window <= side:
            batch, channels, filters = draw.choice((1, 2, 7, 16, 17, 64)), draw.randint(1, 20), draw.randint(1, 36)
            stride, border = draw.choice((1, 1, 2)), draw.choice(("VALID", "SAME"))
            found.append([batch, channels, filters, side, window, stride, border])
    return found


def sections(draw):
    """Return what is compiled, as pairs of a name and a list of groups (function, type, how many at once, cases)."""
    small, wide = small_products(), wide_products()
    pocket = with_transpositions(POCKET)

    def groups(function, dtype, cases):
        coded = [case for case in cases if min(case[0], case[2]) == 1 or case[1] <= 2]
        called = [case for case in cases if not (min(case[0], case[2]) == 1 or case[1] <= 2)]
        return [(function, dtype, FEW, coded), (function, dtype, MANY, called)]

    def sample(count):
        return draw.sample(small, count) + draw.sample(wide, count // 10)

    networks = [[draw.randint(1, 40) for _ in range(5)] for _ in range(120)]
    networks += [[32 + rest, 32, a, b, a] for rest in (15, 16, 17) for a, b in ((14, 20), (20, 14))]
    images = convolutions(240, draw)
    yield "products", groups("flat", "float32", small) + groups("flat", "float32", wide)
    yield "doubles", groups("flat", "float64", pocket + sample(4000))
    yield "loops", [("looped", dtype, FEW, pocket + sample(1000)) for dtype in ("float32", "float64")]
    yield "epochs", [("epoch", "float32", 6, networks)]
    yield (
        "convolutions",
        [("convolution", "float32", 12, images), ("convolution", "float64", 12, images[::4])]
        + [("convolution_epoch", "float32", 6, images[::2])],
    )


# -- in the other process ---------------------------------------------------------------------------------------------


def build(payload, function, dtype, cases, options):
    """Compile one function that does all of these."""
    import jax

    jax.config.update("jax_enable_x64", True)
    parts = [BUILDERS[function](jax, dtype, *case) for case in cases]

    def run(arguments):
        return [function(*values) for (function, _), values in zip(parts, arguments)]

    shapes = [[jax.ShapeDtypeStruct(shape, dtype) for shape in part[1]] for part in parts]
    jax.jit(run).lower(shapes).compile(compiler_options=options)


def flat(jax, dtype, m, k, n, left, right):
    """A product by itself."""

    def product(a, b):
        a, b = jax.lax.transpose(a, (1, 0)) if left else a, jax.lax.transpose(b, (1, 0)) if right else b
        return jax.lax.dot_general(a, b, (((1,), (0,)), ((), ())))

    return product, [(k, m) if left else (m, k), (n, k) if right else (k, n)]


def looped(jax, dtype, m, k, n, left, right):
    """A product in a loop."""
    product, shapes = flat(jax, dtype, m, k, n, left, right)

    def run(a, b, state):
        return jax.lax.fori_loop(0, 7, lambda i, state: state * product(a, b * state[0, 0]), state)

    return run, [*shapes, (m, n)]


def over_batches(jax, step, size, length):
    """Make an epoch of a step: a loop over whole batches and one over the short one, within a loop over both."""

    def run(data, *parameters):
        count = -(-length // size)

        def batches(size, condition, carry):
            def body(carry):
                i, parameters = carry
                batch = jax.lax.dynamic_slice_in_dim(data, i * min(size, length), size)
                return i + 1, step(batch, parameters)

            return jax.lax.while_loop(condition, body, carry)

        def stretch(carry):
            whole = length // size
            carry = batches(size, lambda carry: carry[0] < whole, carry) if whole else carry
            return batches(length % size, lambda carry: carry[0] < count, carry) if length % size else carry

        return jax.lax.while_loop(lambda carry: carry[0] < count, stretch, (0, parameters))

    return run


def epoch(jax, dtype, length, size, a, b, c):
    """An epoch of a network with two layers."""
    np = jax.numpy

    def loss(parameters, x):
        v, w = parameters
        return np.square(np.tanh(x @ v) @ w - x[:, :1]).mean()

    def step(batch, parameters):
        found = jax.grad(loss)(parameters, batch)
        return tuple(p - 0.1 * g for p, g in zip(parameters, found))

    return over_batches(jax, step, min(size, length), length), [(length, a), (a, b), (b, c)]


def _convolve(jax, stride, border):
    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (stride, stride), border, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    return convolve


def convolution(jax, dtype, batch, channels, filters, side, window, stride, border):
    """A convolution and its gradients."""
    convolve = _convolve(jax, stride, border)

    def run(x, w):
        y, pull = jax.vjp(convolve, x, w)
        return y, pull(jax.numpy.tanh(y))

    return run, [(batch, side, side, channels), (window, window, channels, filters)]


def convolution_epoch(jax, dtype, batch, channels, filters, side, window, stride, border):
    """An epoch of a network with a convolution and a dense layer."""
    np, convolve = jax.numpy, _convolve(jax, stride, border)
    length = 2 * batch + batch // 2
    out = jax.eval_shape(
        convolve,
        jax.ShapeDtypeStruct((batch, side, side, channels), dtype),
        jax.ShapeDtypeStruct((window, window, channels, filters), dtype),
    )

    def loss(parameters, x):
        w, v = parameters
        return np.square(np.maximum(convolve(x, w), 0).reshape(x.shape[0], -1) @ v).mean()

    def step(x, parameters):
        found = jax.grad(loss)(parameters, x)
        return tuple(p - 0.1 * g for p, g in zip(parameters, found))

    shapes = [(length, side, side, channels), (window, window, channels, filters), (out.size // batch, 10)]
    return over_batches(jax, step, batch, length), shapes


BUILDERS = dict(flat=flat, looped=looped, epoch=epoch, convolution=convolution, convolution_epoch=convolution_epoch)


# -- in this one ------------------------------------------------------------------------------------------------------


class Journal:
    """What has been compiled, in a file that outlives this process.

    Parameters
    ----------
    path : path, optional
        A line of JSON for each function. Default: nothing is kept.
    """

    def __init__(self, path=None):
        self.path, self.found = path, {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                key, *found = json.loads(line)
                self.found[key] = found

    def compiled(self, job, compute):
        """Return what was found out about a job, computing it if it is new."""
        key = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
        if key not in self.found:
            self.found[key] = compute()
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, *self.found[key]]) + "\n")
        return self.found[key]


def failures(process, limits, function, dtype, cases, options):
    """Return those of some cases that cannot be compiled within limits, with the reason, and the seconds it took."""
    from theanets.xla.limits import Refused, Unavailable

    job = dict(function=function, dtype=dtype, cases=cases, options=options)
    for attempt in range(ATTEMPTS):
        try:
            return [], process.run("build", job, limits=limits, file=HERE)["seconds"]
        except Refused as error:
            if len(cases) == 1:
                return [(cases[0], str(error))], 0.0
            break
        except Unavailable:
            # something else has ended it, such as Linux for what others take.
            if attempt == ATTEMPTS - 1:
                raise
    half = len(cases) // 2
    parts = [failures(process, limits, function, dtype, part, options) for part in (cases[:half], cases[half:])]
    return parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]


def survey(options, chosen=None, limits=None, say=print, journal=None):
    """Compile everything with some options.

    Parameters
    ----------
    options : dict
        Options of XLA.
    chosen : iterable, optional
        Pairs of a name and groups, as :func:`sections` yields them. Default all of them.
    limits : theanets.xla.limits.Limits, optional
        What each function may take. Default 120 s and 2 GiB.
    say : callable, optional
        Gets lines about how far this is.
    journal : Journal, optional
        Has what was done, and gets what will be.

    Returns
    -------
    dict
        For each section how many there were, the seconds of processor time that they took, and what failed.
    """
    from theanets.xla.limits import Limited, Limits

    limits, journal = limits or Limits(seconds=120), journal or Journal()
    process, found = Limited({"JAX_ENABLE_COMPILATION_CACHE": "0", "JAX_PLATFORMS": "cpu"}), {}
    try:
        for name, groups in sections(random.Random(SEED)) if chosen is None else chosen:
            began, seconds, failed, count = time.time(), 0.0, [], 0
            for function, dtype, size, cases in groups:
                for start in range(0, len(cases), size):
                    part = cases[start : start + size]
                    bad, took = journal.compiled(
                        [options, function, dtype, part],
                        lambda: failures(process, limits, function, dtype, part, options),  # noqa: B023
                    )
                    failed += [[function, dtype, *case, reason] for case, reason in bad]
                    count, seconds = count + len(part), seconds + took
                    if start // size % 20 == 0:
                        say(f"{name} {function} {dtype}: {start + len(part)} of {len(cases)}, {seconds:.0f} s, {bad}")
            found[name] = dict(compiled=count - len(failed), failed=failed, seconds=round(seconds))
            say(f"{name}: {found[name]}, {time.time() - began:.0f} s")
    finally:
        process.close()
    return found


def main(arguments=None):
    """Run from the command line."""
    import theanets  # noqa: F401  (what repairs Theano, which the options' module imports)
    from theanets.xla import devices

    parser = argparse.ArgumentParser(prog="python -m benchmarks.survey", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=SURVEYED, help="default: what the package reads")
    parser.add_argument("--options", help="other options than those in use, as JSON; nothing is written")
    parser.add_argument("--only", nargs="+", default=[], help="names of sections; nothing is written then")
    options = parser.parse_args(arguments)
    sets = {"other": json.loads(options.options)} if options.options else {"EIGEN": devices.EIGEN}
    result, did_fail = {}, False
    journal = Journal(options.output.with_suffix(".part"))
    for name, choices in sets.items():
        chosen = [part for part in sections(random.Random(SEED)) if not options.only or part[0] in options.only]
        found = survey(choices, chosen, say=lambda line: print(line, flush=True), journal=journal)
        did_fail |= any(section["failed"] for section in found.values())
        result[name] = dict(options=choices, sections=found)
    if not options.only and not options.options:
        record(options.output, result)
    journal.path.unlink(missing_ok=True)
    return int(did_fail)


def record(path, result):
    """Write the result of this release and machine beside those of others."""
    import jaxlib

    releases = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    releases.setdefault(jaxlib.__version__, {})[platform.machine()] = dict(
        date=datetime.date.today().isoformat(), sets=result
    )
    path.write_text(json.dumps(releases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
