"""The structure of files: what their own headers, sizes, numbers and checksums say, before FFmpeg reads them.

FFmpeg returns what it can get and doesn't say what is missing; it takes tags for damage, and believes any length.
"""

from collections.abc import Callable
from typing import BinaryIO

from emovox.audio.structure import chunks
from emovox.audio.structure.frames import frames
from emovox.audio.structure.matroska import matroska
from emovox.audio.structure.ogg import ogg
from emovox.audio.structure.structure import Structure
from emovox.audio.structure.tags import is_padding, leading, trailing
from emovox.audio.structure.transport import transport
from emovox.audio.structure.view import Bytes, View
from emovox.audio.structure.wave import wave

_WAVE, _AVI, _AIFF, _AIFC = ((8, form) for form in (b"WAVE", b"AVI ", b"AIFF", b"AIFC"))
_WALKS: tuple[tuple[tuple[tuple[int, bytes], ...], Callable[[Bytes, int, int], Structure]], ...] = (
    (((0, b"RIFF"), _WAVE), wave),
    (((0, b"RIFX"), _WAVE), wave),
    (((0, b"RF64"), _WAVE), wave),
    (((0, b"BW64"), _WAVE), wave),
    (((0, b"RIFF"), _AVI), chunks.avi),
    (((0, b"FORM"), _AIFF), chunks.aiff),
    (((0, b"FORM"), _AIFC), chunks.aiff),
    (((0, b".snd"),), chunks.au),
    (((0, b"caff"),), chunks.caf),
    (((0, b"OggS"),), ogg),
    (((0, b"\x1a\x45\xdf\xa3"),), matroska),
    (((0, chunks.W64_RIFF),), chunks.wave64),
    (((0, chunks.ASF_HEADER),), chunks.asf),
)
"""What a file's first 16 bytes hold at which place, and what walks through such a file."""

__all__ = ["Structure", "View", "inspect", "is_padding"]


def inspect(file: BinaryIO) -> tuple[Structure, Bytes]:
    """The structure of a file, and the file itself for a `View` of its parts.

    Args:
        file: seekable; its position is lost.
    """
    data = Bytes(file)
    start = leading(data, 0, data.size)
    end = trailing(data, start, data.size)
    structure = (
        _by_name(data, start, end, data.at(start, 16)) or frames(data, start, end) or transport(data, start, end)
    )
    return structure or Structure([(start, end)]), data


def _by_name(data: Bytes, start: int, end: int, head: bytes) -> Structure | None:
    """The structure, by the first bytes; None: an unknown format."""
    for names, walk in _WALKS:
        if all(head[place : place + len(name)] == name for place, name in names):
            return walk(data, start, end)
    return chunks.mp4(data, start, end) if head[4:8] in chunks.BOXES else None
