"""The version of the package, written down once."""

__version__ = "0.9.0"
