"""Failures: the one place where any exception about a recording becomes an `AudioError`.

FFmpeg, PyAV, NumPy, soxr and a caller's own objects raise all sorts of exceptions. Whoever recognises many
recordings must be able to go on with the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from emovox.errors import AudioError, DecoderError, EmovoxError, UnreadableAudioError
from emovox.refusals import is_full


@contextmanager
def reading(name: str | None) -> Iterator[None]:
    """A block that reads a recording, and does nothing else; `name` is what to call the recording.

    Raises:
        AudioError: it can't be used.
        DecoderError: there is no disk space to store it meanwhile.
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
        cause = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise UnreadableAudioError(f"it can't be read ({cause})", name) from error
