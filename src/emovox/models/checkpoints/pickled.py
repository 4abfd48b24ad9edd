"""The pickle inside a torch checkpoint, walked without running it.

A pickle is a program. This walks the opcodes that `torch.save` writes and builds plain containers, strings,
numbers and `TensorView` records out of them; no global is ever imported or called. A global that isn't one of the
few below becomes an `Inert` value, and so does all that is made from it: it does no harm where nobody needs it
(training arguments, optimizer classes) and is refused by name where a weight should be.

The walk is a loop with its own stack, so nested data can't exhaust Python's, and the caller bounds its length.

Source: Lib/pickletools.py for the opcodes, torch/_utils.py and torch/serialization.py for what torch writes.
"""

import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emovox.errors import ModelError

# torch's name of a storage class, and the element type of its bytes.
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_VALUES = _CONSTANTS.keys() | _NUMBERS | _TEXTS | _BYTES
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_TENSOR_ARGUMENTS = 4
_MAX_DIMENSIONS = 8
_MAX_NUMBER = 2**63


@dataclass(frozen=True)
class Inert:
    """What stands in for a global, or for anything a global would have made.

    Attributes:
        origin: dotted name of the global.
    """

    origin: str


@dataclass(frozen=True)
class Storage:
    """A flat array of elements in a file of the archive.

    Attributes:
        dtype: one of the values of `STORAGES`.
        key: name of the file under ``data/``.
        elements: how many elements the pickle claims for it.
    """

    dtype: str
    key: str
    elements: int


@dataclass(frozen=True)
class TensorView:
    """A window on a storage: every element it can reach lies inside.

    Attributes:
        storage: where the elements are.
        offset: index of the first element.
        shape: as in torch.
        strides: in elements.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def walk(pickled: bytes) -> object:
    """Return the object that ``pickled`` describes, from plain values, `TensorView` and `Inert`.

    Dictionaries keep the items whose key is a string, since only those can name a weight; sets come back empty.

    Raises:
        ModelError: damaged, or with an opcode that torch doesn't write.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():
            # Names of globals go through Python's escapes, of which it has opinions.
            warnings.simplefilter("ignore", DeprecationWarning)
            for opcode, argument, _ in pickletools.genops(pickled):
                if opcode.name == "STOP":
                    return machine.stack.pop()
                machine.step(opcode.name, argument)
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"the checkpoint's index is damaged: {' '.join(str(error).split()):.200}") from error
    raise ModelError("the checkpoint's index ends too early")


class _Machine:
    """The stack, the memo, and one method for each group of opcodes."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each open mark
        self._memo: dict[int, Any] = {}
        self._steps: Mapping[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
            "MARK": self._mark,
            "POP": lambda _: self.stack.pop(),
            "POP_MARK": lambda _: self._to_mark().clear(),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_SET": lambda _: self.stack.append(frozenset()),
            "TUPLE": lambda _: self._replace_marked(tuple),
            "FROZENSET": lambda _: self._replace_marked(lambda _: frozenset()),
            "APPEND": lambda _: self._extend([self.stack.pop()]),
            "APPENDS": lambda _: self._extend(self._to_mark()),
            "ADDITEMS": lambda _: self._to_mark().clear(),
            "SETITEM": lambda _: self._set_items([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self._set_items(self._to_mark()),
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            "BINGET": lambda index: self.stack.append(self._memo[index]),
            "LONG_BINGET": lambda index: self.stack.append(self._memo[index]),
            "GLOBAL": lambda name: self.stack.append(_inert(*name.split(" ", 1))),
            "STACK_GLOBAL": lambda _: self._stack_global(),
            "REDUCE": lambda _: self._call(),
            "NEWOBJ": lambda _: self._call(),
            "NEWOBJ_EX": lambda _: self._call(keywords=True),
            "BUILD": lambda _: self.stack.pop(),  # attributes: no weight is one
            "BINPERSID": lambda _: self.stack.append(_storage(self.stack.pop())),
        }

    def step(self, name: str, argument: Any) -> None:
        """Do one opcode; ``argument`` is what follows it in the pickle."""
        if name in _VALUES:
            self.stack.append(_CONSTANTS.get(name, argument))
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(self.stack) < count:
                raise IndexError("a tuple of more than there is")
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in self._steps:
            self._steps[name](argument)
        else:
            raise ModelError(f"the checkpoint's index has the opcode {name}, which torch doesn't write")

    def _mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _to_mark(self) -> list[Any]:
        """Take what lies above the last mark."""
        above, self.stack = self.stack, self._below.pop()
        return above

    def _replace_marked(self, make: Callable[[list[Any]], object]) -> None:
        value = make(self._to_mark())
        self.stack.append(value)

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((key, value) for key, value in pairs if isinstance(key, str))

    def _remember(self, index: int) -> None:
        self._memo[index] = self.stack[-1]

    def _stack_global(self) -> None:
        self.stack.append(_inert(self.stack.pop(-2), self.stack.pop()))

    def _call(self, *, keywords: bool = False) -> None:
        """Make what a few known globals would make of their arguments, and an `Inert` for any other."""
        if keywords:
            self.stack.pop()
        maker, arguments = self.stack.pop(-2), self.stack.pop()
        origin = maker.origin if isinstance(maker, Inert) else f"a call of a {type(maker).__name__}"
        if origin in {"collections.OrderedDict", "collections.defaultdict"}:
            self.stack.append({})
        elif origin == "torch._utils._rebuild_tensor_v2":
            self.stack.append(_tensor(arguments))
        elif origin in {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}:
            self.stack.append(arguments[0])
        else:
            self.stack.append(Inert(origin))


def _inert(module: object, name: object) -> Inert:
    """The stand-in of a global; its name goes into messages, so it is kept short and on one line."""
    return Inert(" ".join(f"{module!s:.100}.{name!s:.100}".split()))


def _storage(persistent: object) -> Storage | Inert:
    """A persistent id is ("storage", its class, its key, the device, the number of elements)."""
    match persistent:
        case ("storage", Inert(origin), str(key), _, int(elements)) if elements >= 0:
            module, _, name = origin.rpartition(".")
            if module == "torch" and name in STORAGES:
                return Storage(STORAGES[name], key, elements)
            return Inert(origin)
    raise ModelError("the checkpoint's index names a storage in a way that torch doesn't")


def _tensor(arguments: tuple[object, ...]) -> TensorView | Inert:
    """Check that a view stays inside its storage: the sizes and strides are whatever the file says."""
    match arguments[:_TENSOR_ARGUMENTS]:
        case (Inert() as storage, _, _, _):
            return storage
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides)):
            numbers = (offset, *shape, *strides)
            if len(shape) == len(strides) <= _MAX_DIMENSIONS and all(
                isinstance(number, int) and 0 <= number < _MAX_NUMBER for number in numbers
            ):
                last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
                if 0 in shape or last < storage.elements:
                    return TensorView(storage, offset, shape, strides)
    raise ModelError("the checkpoint's index has a tensor that reaches outside of its storage")
