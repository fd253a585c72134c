"""Processes with settings of their own."""

import os
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).parents[2]


def run(code, flags="cxx=,mode=FAST_COMPILE", check=True, **variables):
    """Run Python code in a process of its own.

    Parameters
    ----------
    code : str
        A program.
    flags : str or None
        Its ``THEANO_FLAGS``; None leaves it without.
    check : bool
        Whether it must succeed.
    variables : str
        Other environment variables; None removes one.

    Returns
    -------
    process : CompletedProcess
        With text in ``stdout`` and ``stderr``.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environ = {**os.environ, "PYTHONPATH": path, "THEANO_FLAGS": flags, "THEANORC": os.devnull, **variables}
    environ = {name: value for name, value in environ.items() if value is not None}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=ROOT, timeout=300)
    if check and process.returncode:
        raise RuntimeError(process.stdout + process.stderr)
    return process
