"""The memory and the work that loading one file may take, whatever it holds."""

from .. import util

__all__ = ["Budget", "Extent"]

#: How many bytes of arrays a file may make beyond what it holds, so that small arrays can be shared.
FREE_BYTES = 64 << 20

#: Units of work for a file of any size; a unit takes about a microsecond. The description of a network takes some
#: hundreds of them for each layer.
FREE_WORK = 500_000

#: How many bytes of a file go with a further unit of work. A number in a long history takes 5 bytes or more for each.
BYTES_PER_UNIT = 2

#: How deep containers may be nested.
MAX_DEPTH = 100

#: Types that can be keys of dicts and members of sets, and tuples of them up to a depth and length. Comparing others
#: may take forever, or exhaust the stack of the interpreter.
ATOMS = (type(None), bool, int, float, str, bytes)
MAX_KEY_DEPTH = 3
MAX_KEY_LENGTH = 100


class Budget:
    """Counts what loading a file takes, and ends it before the file takes more than it is worth.

    Parameters
    ----------
    packed : int
        Size of the file in bytes.
    held : int, optional
        What it unpacks to. Default: the same.
    max_bytes : int, optional
        What the user allows a file to take. Default: nothing is said.
    """

    def __init__(self, packed, held=None, max_bytes=None):
        size = packed if max_bytes is None else max(packed, max_bytes)
        self.bytes = (packed if held is None else held) + FREE_BYTES
        self.work = FREE_WORK + size // BYTES_PER_UNIT
        self.entries = FREE_WORK + size

    def take_bytes(self, count):
        """Count bytes of an array before it is made.

        Raises
        ------
        LoadError
            If that is more than what the file holds.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise util.LoadError("it makes more of its arrays than it holds, as by referring to one of them many times")

    def take_work(self, units):
        """Count units of work.

        Raises
        ------
        LoadError
            If that is more than a file of this size may take.
        """
        self.work -= units
        if self.work < 0:
            raise util.LoadError(
                "it takes more instructions or objects than a network of its size needs; if you know where the file is "
                "from, say how many bytes it may take, as in load(path, max_bytes=2**33)"
            )

    def check_key(self, key, count=0):
        """Refuse what is no key of a dict or member of a set, and count the work of entering it.

        Parameters
        ----------
        key : object
            The key.
        count : int, optional
            How many there are already. Integers and tuples can be chosen so that each has to be compared with all.
        """
        if type(key) in (str, float, bool, bytes) or key is None:
            self.take_work(1)
        elif isinstance(key, int) and key.bit_length() <= 64:
            self.take_work(1)
        else:
            self.take_work(1 + count + self._length_of(key))

    def _length_of(self, key, depth=0):
        if isinstance(key, tuple) and depth < MAX_KEY_DEPTH and len(key) < MAX_KEY_LENGTH:
            return sum(1 + self._length_of(part, depth + 1) for part in key)
        if not isinstance(key, ATOMS):
            raise util.LoadError(f"it holds a {type(key).__name__} as the key of a dict or the member of a set")
        return 0


class Extent:
    """Measures containers, each of them once, and refuses those that are nested deeply or hold each other many times.

    Parameters
    ----------
    entries : int
        The largest number of entries, each counted as often as it occurs.
    text : int, optional
        The largest length of a string.
    """

    def __init__(self, entries, text=None):
        self.entries = entries
        self.text = text
        # by the id of a container: its size, its height, and the container itself, so that its id is not reused.
        self.known = {}

    def check(self, value):
        """Look into a value.

        Raises
        ------
        LoadError
            If there is more in it than there may be.
        """
        self._measure(value, 0)

    def _measure(self, item, depth):
        """Return the number of entries, and how deep they are nested."""
        if not isinstance(item, (list, tuple, dict, set, frozenset)):
            if self.text is not None and isinstance(item, (str, bytes)) and len(item) > self.text:
                raise util.LoadError(f"it holds a text of {len(item)} characters where there should be a word")
            return 1, 0
        found = self.known.get(id(item))
        if found is None:
            found = self._measure_parts(item, depth)
        elif found[0] is None:
            raise util.LoadError("it holds a container that holds itself")
        size, height, _ = found
        if depth + height > MAX_DEPTH:
            raise util.LoadError(f"it holds containers that are nested more than {MAX_DEPTH} deep")
        return size, height

    def _measure_parts(self, item, depth):
        if depth > MAX_DEPTH:
            raise util.LoadError(f"it holds containers that are nested more than {MAX_DEPTH} deep")
        self.known[id(item)] = None, 0, item
        size, height = 1, 0
        for part in (part for pair in item.items() for part in pair) if isinstance(item, dict) else item:
            its_size, its_height = self._measure(part, depth + 1)
            size, height = size + its_size, max(height, its_height)
            if size > self.entries:
                raise util.LoadError(f"it holds containers of more than {self.entries} entries")
        self.known[id(item)] = size, height + 1, item
        return self.known[id(item)]
