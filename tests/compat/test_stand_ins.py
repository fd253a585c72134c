"""What ``import theanets`` leaves to be imported later, and that it works once it is needed."""

import json
import pickle

import numpy as np
import pytest
import scipy.special
import scipy.stats
import theano
import theano.tensor as TT

from .support import run

#: Modules that take long to import and that a program may never need.
LATER = (
    "argparse charset_normalizer concurrent.futures email importlib.metadata importlib.resources jax matplotlib "
    "numpy.f2py numpy.ma numpy.polynomial numpy.testing pandas scipy.linalg scipy.signal scipy.special scipy.stats "
    "sklearn unittest"
).split()

#: Functions of Theano that SciPy computes in Python: how SciPy calls them, and whether they have a gradient.
SPECIAL = {
    "erf": (scipy.special.erf, True),
    "erfc": (scipy.special.erfc, True),
    "erfcx": (scipy.special.erfcx, True),
    "erfinv": (scipy.special.erfinv, True),
    "erfcinv": (scipy.special.erfcinv, True),
    "gamma": (scipy.special.gamma, True),
    "gammaln": (scipy.special.gammaln, True),
    "psi": (scipy.special.psi, True),
    "tri_gamma": (lambda x: scipy.special.polygamma(1, x), False),
    "j0": (scipy.special.j0, True),
    "j1": (scipy.special.j1, True),
    "i0": (scipy.special.i0, True),
    "i1": (scipy.special.i1, True),
    "chi2sf": (lambda x: scipy.stats.chi2.sf(x, 3), False),
    "gammainc": (lambda x: scipy.special.gammainc(3, x), False),
    "gammaincc": (lambda x: scipy.special.gammaincc(3, x), False),
    "jv": (lambda x: scipy.special.jv(3, x), False),
    "iv": (lambda x: scipy.special.iv(3, x), False),
}
ARGUMENTS = {
    "chi2sf": lambda x: [x, np.float64(3)],
    **dict.fromkeys(["gammainc", "gammaincc", "jv", "iv"], lambda x: [np.float64(3), x]),
}
POINTS = np.array([0.1, 0.35, 0.7])

#: Prints values of these functions, computed by Theano's Python code in a process that starts anew.
VALUES = """
import pickle
import numpy as np
x = TT.dvector()
outputs = [getattr(TT, name)(x) for name in ("erf", "erfinv", "gammaln", "psi")] + [TT.chi2sf(x, np.float64(3))]
outputs += [theano.grad(output.sum(), x) for output in outputs[:3]]
function = pickle.loads(pickle.dumps(theano.function([x], outputs)))
print(np.concatenate(function([0.1, 0.35, 0.7])).tolist())
"""


def test_what_is_imported_later():
    process = run(f"import theanets, sys; print(*[name for name in {LATER} if name in sys.modules])", flags=None)
    assert process.stdout.split() == []


@pytest.mark.parametrize("before", [
    "import theanets, theano, theano.tensor as TT",
    "import _theanets_hook, theano, theano.tensor as TT",
    "import scipy.special, scipy.stats, theanets, theano, theano.tensor as TT",
], ids=["theanets", "theano", "scipy"])
def test_special_functions_whatever_is_imported_first(before):
    process = run(before + VALUES + "import scipy.special; assert theano.scalar.basic_scipy.scipy is scipy")
    expected = [
        *[SPECIAL[name][0](POINTS) for name in ("erf", "erfinv", "gammaln", "psi", "chi2sf")],
        2 / np.sqrt(np.pi) * np.exp(-(POINTS**2)),
        np.sqrt(np.pi) / 2 * np.exp(scipy.special.erfinv(POINTS) ** 2),
        scipy.special.psi(POINTS),
    ]
    np.testing.assert_allclose(json.loads(process.stdout.splitlines()[-1]), np.concatenate(expected), rtol=1e-10)


@pytest.mark.parametrize("mode, names", [("XLA", "erf gammaln tri_gamma chi2sf".split()), ("py", list(SPECIAL))])
def test_special_functions_in_every_mode(mode, names):
    x = TT.dvector()
    made, expected = [], []
    for name in names:
        function, smooth = SPECIAL[name]
        made.append(getattr(TT, name)(*ARGUMENTS.get(name, lambda x: [x])(x)))
        expected.append(function(POINTS))
        if smooth:
            made.append(theano.grad(made[-1].sum(), x))
            expected.append((function(POINTS + 1e-6) - function(POINTS - 1e-6)) / 2e-6)
    mode = theano.Mode("py", "fast_run") if mode == "py" else mode
    function = theano.function([x], made, mode=mode)
    for again in (function, pickle.loads(pickle.dumps(function))):
        for found, value in zip(again(POINTS), expected):
            np.testing.assert_allclose(found, value, rtol=1e-5)


def test_products_in_python_import_scipy_linalg_when_they_are_computed():
    code = """
    import theanets, theano, theano.tensor as TT, pickle, sys
    import numpy as np
    a, x, y = TT.dmatrix(), TT.dvector(), TT.dvector()
    mode = theano.Mode("py", "fast_run")
    function = theano.function([a, x, y], [y + 2 * TT.dot(a, x), a + TT.outer(y, x)], mode=mode)
    names = {str(node.op) for node in function.maker.fgraph.toposort()}
    assert any("Gemv" in name for name in names) and any("Ger" in name for name in names), names
    a, x, y = np.arange(6.).reshape(2, 3), np.ones(3), np.arange(2.)
    assert "scipy.linalg" not in sys.modules
    for again in (function, pickle.loads(pickle.dumps(function)), function):
        product, outer = again(a, x, y)
        assert (product == y + 2 * a @ x).all() and (outer == a + np.outer(y, x)).all()
    assert "scipy.linalg" in sys.modules
    """
    run(code, flags="cxx=")


def test_modules_are_the_real_ones_afterwards():
    code = """
    import sys
    import numpy as np
    import theanets
    assert not {"testing", "f2py", "ma", "polynomial"} & set(vars(np))
    import scipy.linalg.blas, scipy.special, scipy.stats
    for module in (scipy.linalg, scipy.linalg.blas, scipy.special, scipy.stats, np.ma, np.testing, np.polynomial):
        assert module is sys.modules[module.__name__] and module.__spec__ is not None, module
    from scipy._lib.array_api_compat import numpy as namespace
    assert namespace.ma.masked_array is np.ma.masked_array
    """
    run(code)
