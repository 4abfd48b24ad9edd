"""The structure: what is known of a file before FFmpeg reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

from emovox.audio.structure.view import Part


@dataclass(frozen=True)
class Structure:
    """What a file's own structure says.

    Attributes:
        parts: what FFmpeg is to read, for a `View`.
        truncated: whether the sound should go on beyond the end of the file; None: the format doesn't say.
        damaged: parts of it are missing, or don't match their checksums.
        seconds: of sound according to the header, where FFmpeg would only estimate it.
        plain: whether the parts are a header of our own and samples of one channel. Where files hide other sound,
            such as DTS, in plain samples, it fills two.
    """

    parts: Sequence[Part]
    truncated: bool | None = None
    damaged: bool = False
    seconds: float | None = None
    plain: bool = False
