"""Failures: the one place where whatever a recording raises becomes its `AudioError`.

FFmpeg, PyAV, NumPy, soxr and a caller's own objects raise all sorts of things at what they can't use. Whoever
recognises many recordings must be able to go on with the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from emovox.errors import AudioError, DecoderError, EmovoxError, UnreadableAudioError
from emovox.refusals import is_full


@contextmanager
def reading(name: str | None) -> Iterator[None]:
    """What is done within it reads a recording, and nothing else; `name` is what to call it.

    Raises:
        AudioError: it can't be used.
        DecoderError: there is no room on the disk to keep it meanwhile.
    """
    try:
        yield
    except AudioError as error:
        if error.name is None and name is not None:
            raise type(error)(error.reason, name) from error
        raise
    except EmovoxError:
        raise
    except MemoryError as error:
        raise UnreadableAudioError("there isn't enough memory to read it", name) from error
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):  # no fault of the recording
            raise DecoderError(f"no space to store a recording: {error.strerror}") from error
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise UnreadableAudioError(f"it can't be read ({said})", name) from error
