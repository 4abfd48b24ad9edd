"""Reading a torch checkpoint without torch: named tensors out of a model.pt, left on disk until they are needed.

Since version 1.6 torch saves a zip archive: ``<name>/data.pkl`` is a pickle that says which tensors there are,
``<name>/data/<key>`` holds a storage's bytes, uncompressed, and ``<name>/byteorder`` says which end comes first.
So the bytes are mapped into memory where they lie, and a checkpoint of 1.9 GB costs no memory of its own.

Source: torch/serialization.py, and the zip format's APPNOTE.TXT for the headers.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert, TensorView, walk

# An index of 500 tensors takes 0.1 MB; 4 MB is seconds of walking and some 300 MB of the smallest objects.
_MAX_INDEX = 4_000_000
# The archive's own directory: some 100 bytes a file.
_MAX_DIRECTORY = 16_000_000
_NESTED = ("state_dict", "model_state_dict", "model")

_LOCAL = b"PK\x03\x04"
_LOCAL_SIZE = 30
_ENCRYPTED = 1


class _BoundedReader(io.BufferedReader):
    """A file that refuses a big read: `zipfile` reads an archive's whole directory at once, into objects."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY:
            raise zipfile.BadZipFile("its directory is too big")
        return super().read(size)


class _Archive:
    """The zip file: its members by name, and the bytes of each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes: npt.NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
            with _BoundedReader(path.open("rb", buffering=0)) as stream, zipfile.ZipFile(stream) as archive:
                self._members = {member.filename: member for member in archive.infolist()}
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise ModelError(f"{path.name} is not a torch checkpoint, or is cut short: {error}") from error
        except OSError as error:
            raise ModelError(f"{path.name} can't be read: {error.strerror or error}") from error
        indexes = [name for name in self._members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(indexes) != 1:
            raise ModelError(f"{path.name} is a zip file, but not a torch checkpoint: it has no data.pkl")
        self._root = indexes[0].removesuffix("data.pkl")
        self.byte_order: Literal["<", ">"] = "<"
        if self._root + "byteorder" in self._members:
            order = self.read("byteorder", limit=16).tobytes()
            if order not in {b"little", b"big"}:
                raise ModelError(f"{path.name} has an unknown byte order")
            self.byte_order = "<" if order == b"little" else ">"

    def size(self, name: str) -> int:
        """Bytes of a member, uncompressed; -1 if there is none."""
        member = self._members.get(self._root + name)
        return member.file_size if member else -1

    def read(self, name: str, *, limit: int) -> npt.NDArray[np.uint8]:
        """Return the first ``limit`` bytes of a member: mapped where they are stored, else decompressed.

        Raises:
            ModelError: no such member, or it is damaged.
        """
        member = self._members.get(self._root + name)
        if member is None:
            raise ModelError(f"{self.path.name} has no part {name!r:.100}")
        if member.flag_bits & _ENCRYPTED:
            raise ModelError(f"{self.path.name} is encrypted")
        if member.compress_type == zipfile.ZIP_STORED:
            return self._mapped(member)[:limit]
        if member.compress_type != zipfile.ZIP_DEFLATED:
            raise ModelError(f"{self.path.name} is compressed in a way that torch doesn't use")
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                return np.frombuffer(stream.read(limit), np.uint8)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise ModelError(f"{self.path.name} is damaged at its part {name!r:.100}: {error}") from error

    def _mapped(self, member: zipfile.ZipInfo) -> npt.NDArray[np.uint8]:
        """The member's bytes in the file; only its local header says where they begin."""
        header = self._bytes[member.header_offset : member.header_offset + _LOCAL_SIZE].tobytes()
        if len(header) < _LOCAL_SIZE or not header.startswith(_LOCAL):
            raise ModelError(f"{self.path.name} is damaged: a part's header is missing")
        start = member.header_offset + _LOCAL_SIZE + sum(struct.unpack_from("<HH", header, 26))
        content = self._bytes[start : start + member.file_size]
        if len(content) != member.file_size:
            raise ModelError(f"{self.path.name} is cut short")
        return content


@dataclass(frozen=True)
class Tensor:
    """A tensor of a checkpoint, still on disk.

    Attributes:
        shape: as in torch.
        dtype: torch's name of the element type, such as ``bfloat16``.
    """

    shape: tuple[int, ...]
    dtype: str
    _view: TensorView
    _archive: _Archive

    def array(self) -> npt.NDArray[Any]:
        """Return the elements, shape `shape`: a read-only view of the file if its form allows that.

        bfloat16 becomes float32, which can hold each of its values.

        Raises:
            ModelError: the storage is damaged.
        """
        storage = self._view.storage
        kind = np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)
        size = storage.elements * kind.itemsize
        raw = self._archive.read(f"data/{storage.key}", limit=size)
        if len(raw) != size:
            raise ModelError(f"{self._archive.path.name} is damaged: the storage {storage.key!r:.50} is cut short")
        flat = raw.view(kind.newbyteorder(self._archive.byte_order))
        if 0 in self.shape:
            return np.zeros(self.shape, kind)
        view: npt.NDArray[Any] = np.lib.stride_tricks.as_strided(
            flat[self._view.offset :],
            self.shape,
            [stride * kind.itemsize for stride in self._view.strides],
            writeable=False,
        )
        if self.dtype == "bfloat16":
            return np.asarray(view.astype(np.uint32) << 16).view(np.float32)
        return view


def read_checkpoint(path: Path) -> dict[str, Tensor | Inert]:
    """Return the state of a checkpoint by name; a value that isn't a tensor is left out, or inert.

    The state may be under ``state_dict``, ``model_state_dict`` or ``model``. Reads only the index: `Tensor.array`
    reads elements.

    Raises:
        ModelError: no such file, not a checkpoint of torch 1.6 or newer, damaged, or holding no tensors.
    """
    archive = _Archive(path)
    if archive.size("data.pkl") > _MAX_INDEX:
        raise ModelError(
            f"{path.name} has an index of over {_MAX_INDEX // 1_000_000} MB, too large for a model of this kind"
        )
    state = walk(archive.read("data.pkl", limit=_MAX_INDEX).tobytes())
    for key in _NESTED:
        if isinstance(state, dict) and key in state:
            state = state[key]
    if isinstance(state, Inert):
        raise ModelError(f"{path.name} is refused: it holds {state.origin}, and only tensors are read")
    if not isinstance(state, dict):
        raise ModelError(f"{path.name} holds a {type(state).__name__} where the weights should be")
    tensors: dict[str, Tensor | Inert] = {}
    for name, value in state.items():
        if isinstance(value, Inert):
            tensors[name] = value
        elif isinstance(value, TensorView):
            if archive.size(f"data/{value.storage.key}") < value.storage.elements * _bytes_of(value.storage.dtype):
                raise ModelError(f"{path.name} is damaged: the storage of {name!r:.100} is cut short")
            tensors[name] = Tensor(value.shape, value.storage.dtype, value, archive)
    if not any(isinstance(value, Tensor) for value in tensors.values()):
        raise ModelError(f"{path.name} holds no tensors")
    return tensors


def _bytes_of(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
