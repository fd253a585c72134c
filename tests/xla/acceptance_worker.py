"""Runs one of Theano's own test modules in a mode, test by test; :mod:`tests.xla.acceptance` starts it.

Theano's tests were written for nose, which does not run on current Python: tests are collected by its rules, tests
that are generators included, and what the modules import of nose, of ``parameterized`` and of ``numpy.testing.dec``
is given to them here.
"""

import contextlib
import functools
import gc
import importlib
import inspect
import io
import json
import os
import re
import signal
import sys
import time
import traceback
import types
import unittest
import warnings

import numpy as np

#: Outcomes of tests that do not pass.
FAILED = ("failed", "timeout", "crashed")

TEST = re.compile(r"(?:^|[\b_./-])[Tt]est")


class TimedOut(BaseException):
    """A test took too long. No ``except Exception`` of a test gets hold of it."""


# -- what the test modules import -------------------------------------------------------------------------------------


def _module(name, **names):
    module = types.ModuleType(name)
    vars(module).update(names)
    sys.modules[name] = module
    return module


def _attr(*args, **kwargs):
    return lambda function: function


def _raises(*errors):
    def decorate(function):
        @functools.wraps(function)
        def test(*args, **kwargs):
            try:
                function(*args, **kwargs)
            except errors:
                return
            raise AssertionError(f"{function.__name__}() did not raise {errors}")

        return test

    return decorate


def _skip_if(condition, message=""):
    def decorate(function):
        if callable(condition) and not isinstance(condition, bool):
            return function
        return unittest.skip(str(message))(function) if condition else function

    return decorate


class _Parameterized:
    def __init__(self, cases):
        self.cases = cases

    def __call__(self, function):
        def test():
            for case in self.cases:
                yield (function, *_as_tuple(case))

        return functools.wraps(function, assigned=("__name__", "__module__"), updated=())(test)

    @staticmethod
    def to_safe_name(text):
        return re.sub(r"[^a-zA-Z0-9_]+", "_", text)

    @staticmethod
    def expand(cases, name_func=None, testcase_func_name=None):
        scope = inspect.currentframe().f_back.f_locals
        naming = name_func or testcase_func_name

        def decorate(function):
            for i, case in enumerate(cases):
                arguments = _as_tuple(case)
                param = types.SimpleNamespace(args=arguments, kwargs={})
                name = naming(function, i, param) if naming else f"{function.__name__}_{i}"

                def test(self, arguments=arguments):
                    return function(self, *arguments)

                test.__name__ = name
                scope[name] = test

        return decorate


def _as_tuple(case):
    return tuple(case) if isinstance(case, (tuple, list)) else (case,)


class _Cast:
    """``numpy.cast``."""

    def __getitem__(self, dtype):
        return lambda value: np.asarray(value, dtype)


def provide_names():
    """Provide the modules, and the names of NumPy, that the tests were written for."""
    case = unittest.TestCase()
    nose = _module("nose", __path__=[])
    nose.tools = _module(
        "nose.tools",
        assert_raises=case.assertRaises,
        assert_true=case.assertTrue,
        assert_equal=case.assertEqual,
        raises=_raises,
    )
    nose.plugins = _module("nose.plugins", __path__=[])
    nose.plugins.skip = _module("nose.plugins.skip", SkipTest=unittest.SkipTest)
    nose.plugins.attrib = _module("nose.plugins.attrib", attr=_attr)
    nose.SkipTest = unittest.SkipTest
    _module("parameterized", parameterized=_Parameterized)
    if not hasattr(np.testing, "dec"):
        np.testing.dec = types.SimpleNamespace(
            skipif=_skip_if, knownfailureif=_skip_if, slow=lambda function: function
        )
    for name, value in {
        "float": float,
        "int": int,
        "bool": bool,
        "object": object,
        "complex": complex,
        "product": np.prod,
        "asscalar": lambda array: array.item(),
        "alltrue": np.all,
        "in1d": lambda a, b, **kwargs: np.isin(a, b, **kwargs).ravel(),
        "cast": _Cast(),
        "MAXDIMS": 64,
        "find_common_type": lambda arrays, scalars: np.result_type(*arrays, *scalars),
    }.items():
        if name not in vars(np):
            setattr(np, name, value)


def choose_mode(mode):
    """Make a mode Theano's default, and what it uses where a test asks for FAST_RUN."""
    import theano
    from theano.compile import mode as modes

    theano.config.mode = mode
    theano.config.compute_test_value = "off"
    if mode != "FAST_COMPILE":
        chosen = modes.predefined_modes[mode]
        modes.predefined_modes["FAST_RUN"] = chosen
        modes.FAST_RUN = chosen


# -- tests that need a C++ compiler, which neither mode has ------------------------------------------------------------


class _View:
    """Something with some of its names replaced, for one module."""

    def __init__(self, target, **names):
        self.__dict__.update(names, _target=target)

    def __getattr__(self, name):
        return getattr(self._target, name)


def _corr(op):
    """Make one of the reference functions of test_abstract_conv.py, which are C code otherwise."""

    def reference(*values, border_mode="valid", subsample=None, conv_mode="conv", filter_dilation=None):
        options = {"subsample": subsample, "filter_dilation": filter_dilation}
        options = {key: value for key, value in options.items() if value is not None}
        *values, shape = values if len(values) == 3 else (*values, None)
        values += [] if shape is None else [shape[2:]]
        result = op(border_mode=border_mode, filter_flip=conv_mode == "conv", **options)(*values)
        result.tag.reference = True
        return result

    return reference


def adapt_convolutions(module):
    """Run the tests of convolutions without a C++ compiler, against the Python code of the abstract Ops.

    They are compared with CorrMM otherwise, which is written in C, and look for it in the graph.
    """
    import theano
    from theano.gof.graph import ancestors

    def function(inputs, outputs=None, mode=None, **kwargs):
        variables = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        if any(getattr(item.tag, "reference", False) for item in ancestors(list(variables))):
            mode = theano.Mode(linker="vm", optimizer=None)
        return theano.function(inputs, outputs, mode=mode, **kwargs)

    config = _View(theano.config, cxx="as if", mode="XLA")
    module.theano = _View(theano, config=config, function=function)
    replaced = {}
    for dims in (2, 3):
        for suffix, kind in (("", ""), ("_gw", "_gradWeights"), ("_gi", "_gradInputs")):
            name = f"conv{dims}d_corr{suffix}"
            made = _corr(getattr(theano.tensor.nnet.abstract_conv, f"AbstractConv{dims}d{kind}"))
            replaced[getattr(module, name)] = made
            setattr(module, name, made)
    for cls in [item for item in vars(module).values() if isinstance(item, type)]:
        for function_ in [item for item in vars(cls).values() if inspect.isfunction(item) and item.__defaults__]:
            function_.__defaults__ = tuple(
                replaced.get(value, value) if inspect.isfunction(value) else value for value in function_.__defaults__
            )

    def plainly(original):
        def run(self, *args, **kwargs):
            # gradients are among what is compared.
            return original(self, *args, **{**kwargs, "target_op": None, "check_trace": False, "verify_grad": False})

        return run

    for name in ("run_fwd", "run_gradweight", "run_gradinput"):
        setattr(module.BaseTestConv, name, plainly(getattr(module.BaseTestConv, name)))


def adapt_batch_normalization(module):
    """Compare the values of Ops that other modes replace by many, and that are still in the graph by XLA."""
    # the tests use it for nothing else than to look for these Ops.
    module.any = lambda found: False


def adapt_ctc(module):
    """Run the tests of connectionist temporal classification without the library that other modes want for it."""
    # which skips them all where there is no compiler.
    module.TestCTC.setUp = lambda self: None


def adapt_branches(module):
    """Look for branches that are not computed in place, which there are none of."""
    module.test_ifelse.get_ifelse = lambda self, count: module.IfElse(count)


ADAPTED = {
    "theano.tests.test_ifelse": adapt_branches,
    "theano.tensor.nnet.tests.test_ctc": adapt_ctc,
    "theano.tensor.nnet.tests.test_abstract_conv": adapt_convolutions,
    "theano.tensor.nnet.tests.test_bn": adapt_batch_normalization,
}


# -- collecting -------------------------------------------------------------------------------------------------------


def collect(module):
    """Give pairs of a name and a function without arguments, as nose would find them; generators make more of them."""
    for name, item in list(vars(module).items()):
        home = sys.modules.get(getattr(item, "__module__", None))
        if home is not module and getattr(home, getattr(item, "__name__", ""), None) is item:
            continue  # imported, and a test of where it comes from.
        if name.startswith("_"):
            continue
        if isinstance(item, type) and home is not module:
            # made by a function of another module, and looked up by its name.
            item.__module__ = module.__name__
        if isinstance(item, type) and issubclass(item, unittest.TestCase):
            yield from _cases(name, item)
        elif isinstance(item, type) and TEST.search(name):
            yield from _methods(name, item)
        elif inspect.isfunction(item) and TEST.search(name) and getattr(item, "__test__", True):
            if not _needed(item):
                yield from _expanded(name, item)


def _needed(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.kind in kinds and p.default is p.empty]


def _prepare_class(cls):
    for name in ("setup_class", "setUpClass"):
        getattr(cls, name, lambda: None)()


def _cases(name, cls):
    prepare = functools.cache(functools.partial(_prepare_class, cls))
    for test in unittest.defaultTestLoader.getTestCaseNames(cls):

        def run(test=test):
            prepare()
            result = unittest.TestResult()
            cls(test).run(result)
            for _, text in (*result.errors, *result.failures):
                raise TestFailed(text)
            for _, reason in result.skipped:
                raise unittest.SkipTest(reason)

        yield f"{name}.{test}", run


class TestFailed(Exception):
    """A test of ``unittest`` failed, with a traceback as text."""


def _methods(name, cls):
    prepare = functools.cache(functools.partial(_prepare_class, cls))
    for test, function in inspect.getmembers(cls, inspect.isfunction):
        if not TEST.search(test) or test.startswith("_") or len(_needed(function)) > 1:
            continue

        def bound(test=test):
            prepare()
            instance = cls()
            for setup in ("setUp", "setup"):
                if hasattr(instance, setup):
                    getattr(instance, setup)()
                    break
            return getattr(instance, test)()

        if inspect.isgeneratorfunction(function):
            yield from _generated(f"{name}.{test}", bound)
        else:
            yield f"{name}.{test}", bound


def _expanded(name, function):
    if inspect.isgeneratorfunction(function):
        yield from _generated(name, function)
    else:
        yield name, function


def _generated(name, generator):
    """Give the tests that a generator makes. One that fails half-way is a failing test."""
    made = None
    for i in range(100000):
        try:
            made = made or generator()
            test = next(made)
        except StopIteration:
            return
        except Exception as error:
            # unittest.SkipTest included.
            yield f"{name}[generator]", functools.partial(_raise, error)
            return
        function, *arguments = test if isinstance(test, tuple) else (test,)
        yield f"{name}[{i}]", functools.partial(function, *arguments)


def _raise(error):
    raise error


# -- running ----------------------------------------------------------------------------------------------------------


def run_one(test, seconds):
    """Run a test; return a dict of its outcome, and of what explains it."""

    def stop(*args):
        raise TimedOut()

    # processor time: on a busy machine a test takes longer, but is no slower.
    signal.signal(signal.SIGPROF, stop)
    fell_back = []
    start = time.time()
    output = io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        _record_fallbacks()
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                test()
            outcome, why = "passed", ""
        except unittest.SkipTest as reason:
            outcome, why = "skipped", str(reason)
        except TimedOut:
            outcome, why = "timeout", f"more than {seconds} s\n{traceback.format_exc()[-1500:]}"
        except TestFailed as error:
            outcome, why = "failed", str(error)
            if "TimedOut" in why.splitlines()[-1]:
                outcome = "timeout"
        except (Exception, SystemExit) as error:
            outcome, why = "failed", "".join(traceback.format_exception(error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        fell_back = sorted({str(item.message) for item in caught if item.category.__name__ == "FallbackWarning"})
    return {
        "outcome": outcome,
        "why": why if len(why) < 8000 else why[:2000] + "\n...\n" + why[-6000:],
        "fallbacks": [text[:300] for text in fell_back],
        "seconds": round(time.time() - start, 2),
    }


def _record_fallbacks():
    host = sys.modules.get("theanets.xla.host")
    if host is not None:
        host._warned.clear()
        warnings.simplefilter("always", host.FallbackWarning)


def read(path):
    """Return the lines of a file of results, as dicts; a last one that was cut off is left aside."""
    found = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as handle:
            for line in handle:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
    return found


def main(name, mode, path, seconds, pattern="", again=None):
    """Run the tests of a module that a file does not know the results of yet, and append them.

    ``again`` is the file of another mode: only tests that failed there run.
    """
    # the module may be large, and theanets repairs Theano before any of it is imported.
    import theanets  # noqa: F401

    provide_names()
    choose_mode(mode)
    if mode == "XLA":
        importlib.import_module("theanets.xla.program")
    outcomes = {line["test"]: line["outcome"] for line in read(path)}
    # what had no time to finish runs again.
    known = {test for test, outcome in outcomes.items() if outcome != "started"}
    wanted = None
    if again:
        last = {line["test"]: line["outcome"] for line in read(again)}
        wanted = {test for test, outcome in last.items() if outcome in FAILED}
    with open(path, "a", encoding="utf-8") as handle:

        def write(**line):
            handle.write(json.dumps(line) + "\n")
            handle.flush()

        try:
            module = importlib.import_module(name)
            ADAPTED.get(name, lambda module: None)(module)
            tests = collect(module)
        except (Exception, SystemExit) as error:
            if "<import>" not in known:
                write(test="<import>", outcome="failed", why="".join(traceback.format_exception(error)), seconds=0)
            write(test="<end>", outcome="end")
            return
        counts = {}
        for i, (test, function) in enumerate(tests):
            counts[test] = counts.get(test, 0) + 1
            test = test if counts[test] == 1 else f"{test}#{counts[test]}"
            if test in known or not re.search(pattern, test) or wanted is not None and test not in wanted:
                continue
            # whoever reads this and finds no outcome knows that the process ended within the test.
            write(test=test, outcome="started")
            # a test that failed half-way may have left its settings behind.
            choose_mode(mode)
            write(test=test, **run_one(function, seconds))
            if i % 50 == 49:
                _tidy(mode)
        if not pattern:
            write(test="<end>", outcome="end")


def _tidy(mode):
    """Let go of compiled functions."""
    gc.collect()
    if mode == "XLA":
        import jax

        jax.clear_caches()
