"""A reader of pickles that runs nothing.

Python's own reader imports whatever a pickle names, and calls it. This one knows five things: plain values; containers
of them; a :class:`Global`, which is a name; a :class:`Record`, which says that something was to be made by calling
what a name stands for, and holds the arguments, the state and the items it was to be given. Nothing is imported,
looked up or called, whatever the file says. :mod:`theanets.storage.objects` turns records into objects.

Pickles that :func:`theanets.storage.save` writes begin with a seal: a string of bytes that is thrown away by whoever
reads the pickle, and that tells this module the length and the checksum of what follows.

>>> import pickle
>>> record, end = read(pickle.dumps(range(1, 4), protocol=2))
>>> record.full_name, record.arguments
('__builtin__.xrange', (1, 4, 1))
"""

import functools
import hashlib
import io
import pickle
import reprlib

from .. import util
from .budget import Budget

__all__ = ["Global", "Record", "read", "read_from", "seal", "sealed_length", "may_begin", "SEAL_SIZE"]

#: The largest size of an integer.
MAX_BITS = 4096

#: The first bytes of every seal: the instruction for a string of 48 bytes, and the first of these bytes.
SEAL_START = b"\x80\x05C\x30\x93sealed\n"

#: Number of bytes of a seal.
SEAL_SIZE = len(SEAL_START) + 8 + 32 + 1

#: The longest line for a name or number, in bytes; and the longest text with characters beyond U+00FF, which take up
#: to four times as much memory as they do in the file.
MAX_LINE = 10_000
MAX_TEXT = 1 << 20

#: Lead bytes of UTF-8 for characters beyond U+00FF.
NOT_LATIN = bytes(range(0xC4, 0x100))

#: The first bytes of pickles of objects: the protocol, or in protocols 0 and 1 a name or a mark.
STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"c", b"(", b"]q", b"}q")


class Global:
    """A name that a pickle refers to, such as that of a class.

    Parameters
    ----------
    module, name : str
        Where it is said to be found, and what it is called there.
    """

    def __init__(self, module, name):
        self.module = module
        self.name = name

    @property
    def full_name(self):
        """The name with that of its module."""
        return shorten(f"{self.module}.{self.name}")


class Record(Global):
    """What was to be done to make an object.

    Parameters
    ----------
    module, name : str
        What was to be called.
    arguments : tuple, optional
        What it was to be called with.
    keywords : dict, optional
        The same.
    called : bool, optional
        Whether this is a call of any function or class, rather than a class that is asked for an empty instance.

    Attributes
    ----------
    state : object
        What the instance was to be handed, or None.
    items, pairs : list
        What was to be appended to it, and entered in it.
    """

    def __init__(self, module, name, arguments=(), keywords=None, called=False):
        super().__init__(module, name)
        self.arguments = arguments
        self.keywords = {} if keywords is None else keywords
        self.called = called
        self.state = None
        self.items = []
        self.pairs = []

    def get(self, name, default=None):
        """Return an attribute of the object."""
        return self.state.get(name, default) if isinstance(self.state, dict) else default


class _Repr(reprlib.Repr):
    """Representation of containers by their first entries only, because shared containers can expand without limit."""

    def __init__(self):
        super().__init__()
        self.maxlevel = self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 3


_repr = _Repr().repr


def shorten(text, length=100):
    """Return a text from a file, or the representation of another value, escaped and shortened for a message."""
    if isinstance(text, (str, bytes)):
        text = text[: length + 1]
    elif isinstance(text, (list, tuple, dict, set, frozenset)):
        text = _repr(text)
    text = str(text).encode("unicode_escape").decode("ascii")
    return text if len(text) <= length else text[:length] + "..."


def seal(content):
    """Return a pickle with a seal in front, which is a pickle again.

    Parameters
    ----------
    content : bytes
        A pickle.

    Examples
    --------
    >>> pickle.loads(seal(pickle.dumps("anything")))
    'anything'
    """
    checksum = hashlib.sha256(content).digest()
    return SEAL_START + len(content).to_bytes(8, "little") + checksum + pickle.POP + content


def sealed_length(start):
    """Return the length of the pickle behind a seal.

    Parameters
    ----------
    start : bytes
        The first :data:`SEAL_SIZE` bytes of a file.

    Returns
    -------
    length : int or None
        None if there is no seal.

    Raises
    ------
    LoadError
        If there is a seal that has been damaged.
    """
    if start[: len(SEAL_START)] == SEAL_START and start[SEAL_SIZE - 1 : SEAL_SIZE] == pickle.POP:
        return int.from_bytes(start[len(SEAL_START) : len(SEAL_START) + 8], "little")
    # no pickle of a network starts with a bytes object, so this prefix identifies the checksum header.
    if start[:3] == SEAL_START[:3] or SEAL_START[4:] in start[: len(SEAL_START)]:
        raise util.LoadError("its first bytes are damaged")
    return None


def _unseal(content):
    """Check the checksum of the seal, if there is one, and return the position where the pickle begins."""
    length = sealed_length(content[:SEAL_SIZE])
    if length is None:
        return 0
    if len(content) < SEAL_SIZE + length:
        raise util.LoadError(f"it ends too early, after {len(content)} of {SEAL_SIZE + length} bytes")
    body = memoryview(content)[SEAL_SIZE : SEAL_SIZE + length]
    if hashlib.sha256(body).digest() != content[SEAL_SIZE - 33 : SEAL_SIZE - 1]:
        raise util.LoadError("it is damaged: its checksum is not that of what was saved")
    return SEAL_SIZE


def may_begin(start):
    """Tell whether a pickle of an object may begin with these bytes (at least two)."""
    return start.startswith(STARTS)


def read(content, budget=None):
    """Read the first pickle of some bytes.

    Parameters
    ----------
    content : bytes
        The pickle, and anything behind it.
    budget : :class:`theanets.storage.budget.Budget`, optional
        What reading may take. Default: what is reasonable for so many bytes.

    Returns
    -------
    value : object
        Plain values, containers, :class:`Global` and :class:`Record`. Containers may hold themselves.
    end : int
        Where the pickle ends.

    Raises
    ------
    LoadError
        If it is no pickle, is damaged, or holds what no network consists of.
    """
    handle = io.BytesIO(content)
    handle.seek(_unseal(content))
    return read_from(handle, len(content), budget or Budget(len(content))), handle.tell()


def read_from(handle, end, budget):
    """Read a pickle from a file, instruction by instruction, and leave the file behind it.

    Parameters
    ----------
    handle : readable binary file
        At the beginning of the pickle.
    end : int
        The position where the file ends.
    budget : :class:`theanets.storage.budget.Budget`
        What reading may take.

    Returns
    -------
    value : object
        See :func:`read`.
    """
    machine = _Machine(budget)
    try:
        machine.run(_Stream(handle, end))
    except util.LoadError:
        raise
    except Exception as error:
        if machine.steps < 2:
            raise util.LoadError(f"it is neither an archive nor a pickle ({shorten(error)})") from error
        raise util.LoadError(
            f"it is damaged, or no pickle, after {machine.steps} instructions ({shorten(error)})"
        ) from error
    return machine.result


class _Stream:
    """A file that the arguments of instructions are read from.

    Parameters
    ----------
    handle : readable binary file
        The file.
    end : int
        The position where it ends.
    """

    def __init__(self, handle, end):
        self.handle = handle
        self.end = end
        self.read = handle.read

    def readline(self):
        """Return a line that holds a name or a number."""
        line = self.handle.readline(MAX_LINE)
        if len(line) == MAX_LINE:
            raise util.LoadError("it holds a line of text where there should be a word")
        return line

    def take(self, width):
        """Read a length of ``width`` bytes, and return that many bytes."""
        count = self.read(width)
        if len(count) < width:
            raise ValueError("it ends too early")
        count = int.from_bytes(count, "little")
        # checked first, because read() reserves memory for all of them.
        if count > self.end - self.handle.tell():
            raise ValueError("it ends too early")
        return self.read(count)

    def text(self, width):
        """Read a length of ``width`` bytes, and return the text of that many bytes in UTF-8."""
        content = self.take(width)
        if len(content) > MAX_TEXT and len(content.translate(None, NOT_LATIN)) < len(content):
            # arrays that were pickled by Python 2 as text only have characters up to U+00FF.
            raise util.LoadError(f"it holds a text of {len(content)} bytes where there should be a word")
        return content.decode("utf-8", "surrogatepass")


#: Instructions that push their argument, and readers for arguments that may be long.
_LITERALS = frozenset(
    "BININT BININT1 BININT2 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()
)
_READERS = {
    "BINSTRING": lambda stream: stream.take(4).decode("latin-1"),
    "BINBYTES": lambda stream: stream.take(4),
    "BINBYTES8": lambda stream: stream.take(8),
    "BYTEARRAY8": lambda stream: stream.take(8),
    "SHORT_BINUNICODE": lambda stream: stream.text(1),
    "BINUNICODE": lambda stream: stream.text(4),
    "BINUNICODE8": lambda stream: stream.text(8),
}
#: Instructions whose argument is the rest of a line, however long it is.
_LINES = frozenset(["STRING", "UNICODE"])

_INTEGERS = frozenset(["INT", "LONG", "LONG1", "LONG4"])

_PUTS = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])

_GETS = frozenset(["GET", "BINGET", "LONG_BINGET"])

#: Instructions that push a constant or an empty container.
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}

#: Instructions without an effect on the stack or the memo.
_IGNORED = frozenset(["PROTO", "FRAME"])

#: Units of work for instructions that make containers and records, which are converted again later; 1 for others.
_COSTS = dict.fromkeys(
    "EMPTY_LIST LIST EMPTY_DICT DICT EMPTY_SET FROZENSET TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL STACK_GLOBAL INST OBJ "
    "REDUCE NEWOBJ NEWOBJ_EX".split(),
    4,
)


@functools.cache
def _operations():
    """Return a table from instruction byte to (reader of the argument, method, units of work)."""
    # imported here, because it is slow to import and few programs load a pickle.
    import pickletools

    table = {}
    for code in pickletools.opcodes:
        reader = None if code.arg is None else _READERS.get(code.name, code.arg.reader)
        if code.name in _LINES:
            reader = lambda stream, read=reader: read(stream.handle)  # noqa: E731
        table[code.code.encode("latin-1")] = reader, _action_of(code.name), _COSTS.get(code.name, 1)
    return table


def _action_of(name):
    """Return the function of (machine, argument) that executes an instruction."""
    if name in _LITERALS:
        return lambda machine, argument: machine.stack.append(argument)
    if name in _INTEGERS:
        return _Machine.push_integer
    if name in _CONSTANTS:
        make = _CONSTANTS[name]
        return lambda machine, argument: machine.stack.append(make())
    if name in _GETS:
        return lambda machine, argument: machine.stack.append(machine.memo[argument])
    if name in _PUTS:
        return _Machine.put
    if name in _IGNORED:
        return lambda machine, argument: None
    return getattr(_Machine, f"_do_{name.lower()}", None) or functools.partial(_refuse_instruction, name)


def _refuse_instruction(name, machine, argument):
    raise util.LoadError(f"it holds the instruction {name}, which no network needs")


class _Machine:
    """The stack and the memo of one pickle.

    Parameters
    ----------
    budget : :class:`theanets.storage.budget.Budget`
        What it may take.
    """

    def __init__(self, budget):
        self.budget = budget
        self.stack = []
        self.below = []
        self.memo = {}
        self.steps = 0
        self.result = None

    def run(self, stream):
        """Execute instructions up to STOP."""
        operations, read = _operations(), stream.read
        work, limit, code = 0, self.budget.work, b""
        while code != b".":
            code = read(1)
            if code not in operations:
                raise ValueError(f"there is no instruction {code!r}" if code else "it ends too early")
            reader, action, cost = operations[code]
            action(self, None if reader is None else reader(stream))
            self.steps += 1
            work += cost
            if work > limit:
                break
        self.budget.take_work(work)

    def push_integer(self, argument):
        """Push an integer of limited size."""
        if argument.bit_length() > MAX_BITS:
            raise util.LoadError(f"it holds an integer of {argument.bit_length()} bits")
        self.stack.append(argument)

    def put(self, argument):
        """Store the top of the stack in the memo."""
        self.memo[argument] = self.stack[-1]

    def _do_memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def _pop_mark(self):
        items = self.stack
        self.stack = self.below.pop()
        return items

    # -- the stack ----------------------------------------------------------------------------------------------------

    def _do_mark(self, _):
        self.below.append(self.stack)
        self.stack = []

    def _do_pop(self, _):
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    def _do_pop_mark(self, _):
        self._pop_mark()

    def _do_dup(self, _):
        self.stack.append(self.stack[-1])

    def _do_stop(self, _):
        self.result = self.stack.pop()

    # -- containers ---------------------------------------------------------------------------------------------------

    def _do_list(self, _):
        items = self._pop_mark()
        self.stack.append(items)

    def _do_tuple(self, _):
        items = self._pop_mark()
        self.stack.append(tuple(items))

    def _do_tuple1(self, _):
        self.stack[-1:] = [(self.stack[-1],)]

    def _do_tuple2(self, _):
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def _do_tuple3(self, _):
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def _do_dict(self, _):
        items = self._pop_mark()
        self.stack.append({})
        self._set(items)

    def _do_frozenset(self, _):
        items = self._pop_mark()
        for count, item in enumerate(items):
            self.budget.check_key(item, count)
        self.stack.append(frozenset(items))

    def _append(self, items):
        target = self.stack[-1]
        if isinstance(target, Record):
            target.items.extend(items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise util.LoadError(f"it appends to a {type(target).__name__}")

    def _do_append(self, _):
        self._append([self.stack.pop()])

    def _do_appends(self, _):
        self._append(self._pop_mark())

    def _do_additems(self, _):
        items = self._pop_mark()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.items.extend(items)
            return
        if not isinstance(target, set):
            raise util.LoadError(f"it adds members to a {type(target).__name__}")
        for item in items:
            self.budget.check_key(item, len(target))
            target.add(item)

    def _set(self, items):
        target = self.stack[-1]
        if len(items) % 2:
            raise util.LoadError("it enters a key without a value in a dict")
        pairs = list(zip(items[::2], items[1::2]))
        if isinstance(target, Record):
            target.pairs.extend(pairs)
        elif isinstance(target, dict):
            for key, value in pairs:
                self.budget.check_key(key, len(target))
                target[key] = value
        else:
            raise util.LoadError(f"it enters keys in a {type(target).__name__}")

    def _do_setitem(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _do_setitems(self, _):
        self._set(self._pop_mark())

    # -- names and records --------------------------------------------------------------------------------------------

    def _do_global(self, argument):
        self.stack.append(Global(*argument.split(" ", 1)))

    def _do_stack_global(self, _):
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise util.LoadError("it refers to something by what is no name")
        self.stack.append(Global(module, name))

    def _record(self, function, arguments, keywords=None, called=False):
        if type(function) is not Global:
            raise util.LoadError(f"it calls a {type(function).__name__}, which is no name of a class or function")
        if type(arguments) is not tuple or not isinstance(keywords, (dict, type(None))):
            raise util.LoadError(f"it calls {function.full_name} with arguments that are none")
        if called and (function.module, function.name) in _INSTANCE_MAKERS:
            # other functions by which pickles create an empty instance.
            function, *rest = arguments
            arguments = () if len(rest) == 2 and isinstance(rest[0], Global) and rest[1] is None else tuple(rest)
            return self._record(function, arguments)
        self.stack.append(Record(function.module, function.name, arguments, keywords, called))

    def _do_reduce(self, _):
        arguments, function = self.stack.pop(), self.stack.pop()
        self._record(function, arguments, called=True)

    def _do_newobj(self, _):
        arguments, cls = self.stack.pop(), self.stack.pop()
        self._record(cls, arguments)

    def _do_newobj_ex(self, _):
        keywords, arguments, cls = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self._record(cls, arguments, keywords)

    def _do_inst(self, argument):
        items = self._pop_mark()
        self._record(Global(*argument.split(" ", 1)), tuple(items), called=bool(items))

    def _do_obj(self, _):
        cls, *items = self._pop_mark()
        self._record(cls, tuple(items), called=bool(items))

    def _do_build(self, _):
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Record):
            raise util.LoadError(f"it changes the state of a {type(target).__name__}")
        if target.state is not None:
            raise util.LoadError(f"it changes the state of {target.full_name} more than once")
        target.state = state


_INSTANCE_MAKERS = frozenset(
    [
        ("copy_reg", "_reconstructor"),
        ("copyreg", "_reconstructor"),
        ("copy_reg", "__newobj__"),
        ("copyreg", "__newobj__"),
    ]
)
