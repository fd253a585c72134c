"""How to build and install theanets, and what it needs."""

import os
import pathlib
import re
import site
import sys
import sysconfig

from setuptools import find_packages, setup
from setuptools.command import build_py, dist_info

HERE = pathlib.Path(__file__).resolve().parent

# The version is written down once, in the package; importing the package to ask for it would need Theano.
VERSION = re.search(
    r"^__version__ = ['\"]([^'\"]+)['\"]",
    (HERE / "theanets" / "_version.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

# The C back end links this build of OpenBLAS; elsewhere it takes the system's BLAS, or NumPy's routines.
HAS_OPENBLAS_WHEEL = (
    "(sys_platform == 'linux' or sys_platform == 'darwin') and "
    "(platform_machine == 'x86_64' or platform_machine == 'aarch64' or platform_machine == 'arm64')"
)

#: Where the project lives.
HOME = "https://github.com/lmjohns3/theanets"

PLOT = ["matplotlib>=3.8"]

SKLEARN = ["scikit-learn>=1.6"]

ONNX = ["onnx>=1.17"]

#: Reads Parquet and Arrow files.
ARROW = ["pyarrow>=15"]

EXAMPLES = [*PLOT, *SKLEARN]

#: By this file, beside the packages of an installation, Python imports the module of that name whenever it starts.
HOOK = "theanets-hook.pth"


class BuildPy(build_py.build_py):
    """Builds what is installed, with the file that makes Python import the hook; not where the checkout is used."""

    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(str(HERE / HOOK), self._target())

    def get_outputs(self, *args, **kwargs):
        return [*super().get_outputs(*args, **kwargs), self._target()]

    def _target(self):
        return str(pathlib.Path(self.build_lib) / HOOK)


class DistInfo(dist_info.dist_info):
    """Asked by pip for what theanets needs: says at once what is to be done where pip cannot build Theano."""

    def run(self):
        if sys.version_info >= (3, 12) and not has_theano():
            sys.exit("On Python 3.12 and later pip cannot build Theano: write python install.py . for pip install .")
        super().run()


def has_theano():
    """Tell whether Theano is installed, or will be: ``install.py`` says so by a variable, as it has built a wheel."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    found = any(any(pathlib.Path(folder).glob("[Tt]heano-*.*-info")) for folder in folders)
    return found or "THEANETS_HAS_THEANO" in os.environ or "PIP_NO_DEPS" in os.environ


setup(
    name="theanets",
    version=VERSION,
    description="Neural networks of many kinds, described in a line and trained with Theano",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="theanets developers",
    maintainer="theanets developers",
    license="MIT",
    license_files=["LICENSE"],
    keywords="autoencoder classification deep-learning machine-learning neural-network regression theano",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    cmdclass={"build_py": BuildPy, "dist_info": DistInfo},
    project_urls={"Source": HOME, "Issues": f"{HOME}/issues"},
    url=HOME,
    py_modules=["_theanets_hook"],
    packages=find_packages(include=["theanets", "theanets.*"]),
    package_data={"theanets": ["py.typed"], "theanets.xla": ["surveyed.json"]},
    include_package_data=False,
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        # Exactly these: theanets.compat repairs them place by place.
        "Theano==1.0.5",
        "downhill==0.4.0",
        "numpy>=1.26",
        "scipy>=1.12",
        # Compiles Theano's graphs; jaxlib is its CPU build.
        "jax>=0.6",
        "jaxlib>=0.6",
        # What jax.export writes programs by, which are kept on disk.
        "flatbuffers>=2",
        # Imported by downhill, and by our own log.
        "click>=7",
        # Shows the progress of training.
        "tqdm>=4.60",
        f"scipy-openblas32>=0.3.27; {HAS_OPENBLAS_WHEEL}",
    ],
    extras_require={
        "arrow": ARROW,
        # What the benchmarks compare theanets with.
        "bench": [
            "keras>=3",
            "matplotlib>=3.8",
            "scikit-learn>=1.3",
            "torch>=2.6",
        ],
        "cuda": ["jax[cuda12]>=0.6"],
        "docs": [
            *EXAMPLES,
            "furo>=2024.8",
            # Formulas without a script.
            "latex2mathml>=3.77",
            "myst-parser>=4",
            "sphinx>=8",
            "sphinx-copybutton>=0.5",
            # The grid of the gallery.
            "sphinx-design>=0.6",
        ],
        "examples": EXAMPLES,
        "onnx": ONNX,
        "plot": PLOT,
        "sklearn": SKLEARN,
        "test": [
            *ARROW,
            *EXAMPLES,
            *ONNX,
            # Has a cluster in one process, whose workers a sweep can run on.
            "distributed>=2024.8",
            "hypothesis>=6",
            # Checks the floors of modules in pyproject.toml.
            "import-linter>=2.17,<3",
            # Runs the notebooks among the examples.
            "ipykernel>=6",
            "joblib>=1.3",
            # Checks types; new releases bring new complaints.
            "mypy==2.4.*",
            "nbclient>=0.10",
            "onnxruntime>=1.20",
            "pandas>=2.1",
            # Counts the cores for pytest-xdist.
            "psutil>=5.9",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "pyyaml>=6",
            # New releases bring new rules.
            "ruff==0.17.*",
            # For the test that builds the distributions; setuptools itself is left to the environment, because
            # where it is installed it hides that Python has no distutils any more.
            "wheel>=0.40",
        ],
    },
)
