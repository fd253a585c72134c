"""Copies of a network, in memory and in files."""

import copy
import os
from collections.abc import Iterable
from typing import Any

from .. import storage, trainer, util, xla
from .part import Part

__all__ = ["Saving"]


class _OnClass:
    """A class method that refuses to be called on an instance."""

    def __init__(self, function):
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance, owner):
        if instance is not None:
            return self._refuse
        return self.function.__get__(owner, type(owner))

    @staticmethod
    def _refuse(*args, **kwargs):
        raise TypeError(
            "load() makes a new network and cannot change an existing one; write net = theanets.Network.load(path)"
        )


class Saving(Part):
    """The part of a network that copies it, saves it and loads it."""

    def __getstate__(self):
        state = {key: value for key, value in vars(self).items() if key not in storage.TRANSIENT}
        state["_history"] = self._history.state()
        # also while a part of the network is being trained, as in pretraining.
        state["layers"], state["losses"] = self._whole or (self.layers, self.losses)
        return state

    def __reduce_ex__(self, protocol):
        # a pickle takes the parts one by one, while another thread may change them.
        source = copy.deepcopy(self) if trainer.is_trained_elsewhere(self) else self
        return super(Saving, source).__reduce_ex__(protocol)

    def __copy__(self):
        result = type(self).__new__(type(self))
        result.__setstate__(self.__getstate__())
        return result

    def __deepcopy__(self, memo):
        result = memo[id(self)] = type(self).__new__(type(self))
        with self._snapshot():
            result.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return result

    def _snapshot(self):
        """Context within which this thread reads the parameters and statistics as they are at its beginning."""
        # while a part of the network is being trained, it is the whole of it that is copied and saved.
        whole = [*self.layers, *([] if self._whole is None else self._whole[0])]
        return xla.snapshot([variable for layer in whole for variable in (*layer.params, *layer.statistics)])

    def __setstate__(self, state):
        self.rng = 13
        self._default_loss = None
        self._reset_caches()
        vars(self).update({key: value for key, value in state.items() if key != "_history"})
        if "_history" in state:
            self._history.restore(state["_history"])

    def save(self, filename_or_handle: Any = None, *, filename: str | os.PathLike[str] | None = None) -> None:
        """Save the network: its layers, parameters, losses and generator.

        Parameters
        ----------
        filename_or_handle : str, pathlib.Path or writable binary file
            A path that ends in ``.npz`` becomes an archive of arrays with a description in words, which is meant to
            last; any other one a pickle, compressed if it ends in ``.gz``. An existing file is replaced only when all
            has been written. An open file gets a pickle.
        filename : str or pathlib.Path, optional
            Another name for the same argument.

        See Also
        --------
        load : Read it again.
        """
        target = _only("save", filename_or_handle, filename)
        with self._snapshot():
            storage.save(self, target)
        util.log(f"saved {self!r}" + (f" to {target}" if not hasattr(target, "write") else ""))

    @_OnClass
    def load(
        cls,
        filename_or_handle: Any = None,
        *,
        filename: str | os.PathLike[str] | None = None,
        trusted: Iterable[Any] = (),
        max_bytes: int | None = None,
    ) -> Any:
        """Load a network that was saved. This is a class method: write ``net = theanets.Network.load(path)``.

        Nothing that the file holds is run, so that a file of unknown origin can do no harm.

        Parameters
        ----------
        filename_or_handle : str, pathlib.Path or readable binary file
            Archives, pickles, compressed files and files of earlier releases are recognised by what they hold.
        filename : str or pathlib.Path, optional
            Another name for the same argument.
        trusted : iterable of classes and functions, optional
            What the network may consist of besides this library and those classes of layers, losses, activations and
            models that have been defined or imported, such as a function that is a loss. See
            :func:`theanets.storage.load`.
        max_bytes : int, optional
            The largest size of the file, and of what it unpacks to.

        Returns
        -------
        network : Network
            Of the class that was saved, whatever class this method is called on.

        Raises
        ------
        LoadError
            If the file is damaged, or holds something that is not admitted.
        TypeError
            If the file holds something else, or if the method is called on an instance.
        """
        source = _only("load", filename_or_handle, filename)
        return storage.load(source, trusted=trusted, max_bytes=max_bytes)


def _only(method, filename_or_handle, filename):
    """Return the one of two arguments that is given."""
    if (filename_or_handle is None) == (filename is None):
        raise TypeError(f"{method}() takes one path or open file, as filename_or_handle or as filename")
    return filename if filename_or_handle is None else filename_or_handle
