"""The recording: what the user gives, as an open file or an array, with its name and checksum."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.audio.failures import reading
from emovox.audio.files import refuse_address
from emovox.audio.waveform import check_rate, to_channels_last, to_own_scale
from emovox.errors import RecordingNotFoundError, TooLargeError, UnreadableAudioError

MEMORY = 32 * 2**20  # bytes of a stream held in memory before it goes to a temporary file
BLOCK = 2**20


class Readable(Protocol):
    """A file object opened for bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | tuple[ArrayLike, float]
"""A path, encoded bytes, a binary file object, or (array, sample rate)."""


@dataclass(frozen=True)
class Recording:
    """An opened recording: `file` (seekable, at its start) or `samples` (channels last) with `rate`."""

    name: str | None
    sha256: str
    file: BinaryIO | None = None
    samples: NDArray[np.generic] | None = None
    rate: float | None = None


@contextmanager
def open_recording(
    source: Source, *, name: str | None = None, max_bytes: int, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Recording]:
    """Open what the user gave; streams that can't seek are copied to a temporary file.

    Args:
        source: the recording.
        name: what to call it in results; by default the file's name.
        max_bytes: the largest file, bytes or stream accepted.
        progress: is called with the size in bytes of each block read: all of the file is, for the checksum.

    Raises:
        RecordingNotFoundError: no such file, or an address.
        UnreadableAudioError: a directory, an empty file, no permission, or an array that isn't a recording.
        TooLargeError: more than `max_bytes`.
    """
    if name is not None:  # a name that isn't valid UTF-8 must not make its result unwritable
        name = name.encode(errors="replace").decode()
    with ExitStack() as stack:
        with reading(name):
            recording = _open(source, stack, name=name, max_bytes=max_bytes, progress=progress)
        yield recording


def _open(
    source: Source, stack: ExitStack, *, name: str | None, max_bytes: int, progress: Callable[[int], None]
) -> Recording:
    if isinstance(source, tuple):
        if len(source) != 2:
            raise UnreadableAudioError("an array needs its sample rate: give (array, sample_rate)")
        return _from_array(*source, name=name)
    if isinstance(source, (str, os.PathLike)):
        refuse_address(os.fsdecode(source))
        file = stack.enter_context(_open_path(Path(source)))
        name = name or os.fsencode(Path(source).name).decode(errors="replace")
    else:
        file = cast("BinaryIO", stack.enter_context(tempfile.SpooledTemporaryFile(MEMORY)))  # noqa: SIM115  the stack closes it
        copy(source, file, name=name, max_bytes=max_bytes)
    size = file.seek(0, os.SEEK_END)
    if size > max_bytes:
        raise _too_large(name, max_bytes)
    if not size:
        raise UnreadableAudioError("the file is empty", name)
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
        progress(len(block))
    file.seek(0)
    return Recording(name=name, sha256=digest.hexdigest(), file=file)


def _open_path(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise UnreadableAudioError("not a file", str(path))
        return path.open("rb")
    except FileNotFoundError:
        raise RecordingNotFoundError("no such file", str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UnreadableAudioError(getattr(error, "strerror", None) or str(error), str(path)) from error


def read_bytes(path: Path) -> bytes:
    """A recording's raw bytes, to be sent elsewhere.

    Raises:
        RecordingNotFoundError: no such file.
        UnreadableAudioError: a directory, or no permission.
    """
    try:
        with _open_path(path) as file:
            return file.read()
    except OSError as error:
        raise UnreadableAudioError(error.strerror or str(error), str(path)) from error


def copy(
    source: bytes | bytearray | memoryview | Readable, file: BinaryIO, *, name: str | None, max_bytes: int
) -> None:
    """Copy a recording's bytes, up to a limit.

    Raises:
        UnreadableAudioError: it can't be read.
        TooLargeError: more than `max_bytes`, as soon as that is passed.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        file.write(bytes(source))
        return
    if not hasattr(source, "read"):
        raise UnreadableAudioError(
            f"can't read a recording from {type(source).__name__}: "
            "give a path, bytes, a binary file object, or (array, sample_rate)"
        )
    while block := _read(source, name):
        if file.tell() + len(block) > max_bytes:
            raise _too_large(name, max_bytes)
        file.write(block)


def _read(source: Readable, name: str | None) -> bytes | bytearray:
    try:
        block = source.read(BLOCK)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise UnreadableAudioError(f"the file object can't be read: {error}", name) from error
    if not isinstance(block, (bytes, bytearray)):
        raise UnreadableAudioError("the file object doesn't give bytes: open it in binary mode, 'rb'", name)
    return block


def _too_large(name: str | None, max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"larger than the limit of {max_bytes} bytes (raise it with EMOVOX_MAX_FILE_SIZE, in bytes)", name
    )


def _from_array(samples: ArrayLike, rate: float, *, name: str | None) -> Recording:
    array = to_channels_last(np.asarray(samples))
    check_rate(rate)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} {rate:g} ".encode())
    digest.update(np.ascontiguousarray(array).data)
    return Recording(name=name, sha256=digest.hexdigest(), samples=to_own_scale(array), rate=rate)
