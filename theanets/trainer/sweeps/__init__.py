"""Many trainings at once: grids of settings, folds of data, and tests of learning rates."""

from .result import Ensemble, Sweep
from .run import sweep

__all__ = ["Ensemble", "Sweep", "sweep"]
