"""The process that decodes: requests on standard input, a line each, and answers on standard output.

A request says what to `do`: `count` the channels, `write` the waveform into a file, or `stream` it. It names the
recording's file as `source`, or gives its `size` and is followed by so many bytes.

An answer is one or more lines: `seconds` (it goes on: so much is decoded), `opened` and `block` (facts, and the
size of samples that follow, when it streams), and `done` or `error` at the end.

It imports no model, and limits its own memory: whatever a file does to FFmpeg, it does to this process.
"""

import json
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from emovox import errors
from emovox.audio.decoded import decode_to
from emovox.audio.decoding import decode
from emovox.audio.isolation.parent import follow
from emovox.audio.recording import Source, open_recording
from emovox.errors import AudioError, DecoderError, UnreadableAudioError
from emovox.refusals import is_full

EVERY = 0.5  # seconds between reports of progress, at least


class Content:
    """The bytes of a recording that follow its request, as a file object that ends with them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Begin."""
        self._file, self._left = file, size

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class Output:
    """Where answers go."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin."""
        self._file = file
        self._said = time.monotonic()

    def say(self, answer: dict[str, Any], samples: bytes = b"") -> None:
        """Write a part of an answer."""
        self._file.write(json.dumps(answer).encode() + b"\n")
        self._file.write(samples)
        self._file.flush()
        self._said = time.monotonic()

    def progress(self, seconds: float) -> None:
        """Report progress, unless something was reported just now."""
        if time.monotonic() - self._said >= EVERY:
            self.say({"seconds": seconds})


def limit_memory(size: int) -> None:
    """Limit this process to so many bytes of address space, where the system can, and to no core file."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):  # macOS takes the call and ignores it
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def answer(request: dict[str, Any], source: Source, out: Output) -> dict[str, Any]:
    """Do what a request asks for, and return the end of the answer, which may be an error."""
    try:
        return {"done": WORK[request["do"]](request, source, out)}
    except AudioError as error:
        if isinstance(error.__cause__, MemoryError):  # of which this process has little
            return {**_unexpected(request, error.__cause__), "name": request["name"]}
        kind = type(error).__name__
        name = kind if hasattr(errors, kind) else UnreadableAudioError.__name__
        return {"error": name, "reason": error.reason, "name": None if request["name"] is None else error.name}
    except Exception as error:
        return {**_unexpected(request, error), "name": request["name"]}


def count(request: dict[str, Any], source: Source, out: Output) -> dict[str, Any]:
    """Open a recording, decoding no more of it than is needed to choose a track."""
    with (
        open_recording(
            source, name=request["name"], max_bytes=request["max_bytes"], progress=_reading(out)
        ) as recording,
        decode(recording, max_seconds=math.inf, channel=1, track=request["track"]) as decoding,
    ):
        return {"channels": decoding.channels}


def write(request: dict[str, Any], source: Source, out: Output) -> dict[str, Any]:
    """Decode a recording into the file `target`."""
    decoded = decode_to(
        Path(request["target"]),
        source,
        name=request["name"],
        channel=request["channel"],
        track=request["track"],
        max_bytes=request["max_bytes"],
        max_seconds=request["max_seconds"],
        progress=out.progress,
    )
    return {
        "sha256": decoded.sha256,
        "sample_rate": decoded.sample_rate,
        "channels": decoded.channels,
        "channel": decoded.channel,
        "track": decoded.track,
        "tracks": decoded.tracks,
        "codec": decoded.codec,
        "samples": decoded.samples,
        "warnings": decoded.warnings,
    }


def stream(request: dict[str, Any], source: Source, out: Output) -> dict[str, Any]:
    """Decode a recording and write its sound, as fast as it is read."""
    with (
        open_recording(
            source, name=request["name"], max_bytes=request["max_bytes"], progress=_reading(out)
        ) as recording,
        decode(
            recording, max_seconds=request["max_seconds"], channel=request["channel"], track=request["track"]
        ) as decoding,
    ):
        facts = {
            "name": recording.name,
            "sha256": recording.sha256,
            "channel": decoding.channel,
            "track": decoding.track,
            "tracks": decoding.tracks,
            "codec": decoding.codec,
        }
        out.say({"opened": facts})
        has_begun = False
        for block in decoding.blocks():
            if not has_begun:  # whoever has to decide by it, before a model runs, decides now
                out.say({"channels": decoding.channels})
                has_begun = True
            if samples := block.astype("<f4", copy=False).tobytes():
                out.say({"block": len(samples)}, samples)
        # In some formats only the first frame says these.
        return {
            "warnings": decoding.warnings,
            "sample_rate": decoding.sample_rate,
            "channels": decoding.channels,
        }


WORK = {"count": count, "write": write, "stream": stream}


def main() -> None:
    """Answer requests until standard input ends; the first argument limits the memory, bytes."""
    # Whoever stops all processes of a service at once (systemd does) asks the parent, too, and it decides: else a
    # recording that is being decoded would look like one that breaks decoders.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    out = Output(os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what FFmpeg prints must not look like an answer
    limit_memory(int(sys.argv[1]))
    threading.Thread(target=follow, args=(os.getppid(),), daemon=True).start()
    out.say({"done": {}})
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        content = Content(requests, request["size"] or 0)
        out.say(answer(request, Path(request["source"]) if request["size"] is None else content, out))
        while content.read(2**20):  # bytes that weren't needed
            pass


def _reading(out: Output) -> Callable[[int], None]:
    return lambda _: out.progress(0.0)


def _unexpected(request: dict[str, Any], error: Exception) -> dict[str, Any]:
    if isinstance(error, MemoryError):
        reason = "decoding it needs more memory than is allowed (set EMOVOX_DECODER_MEMORY to more bytes)"
        return {"error": UnreadableAudioError.__name__, "reason": reason}
    if isinstance(error, OSError) and is_full(error):  # the next recording would fail, too
        where = Path(request["target"]).parent if request["do"] == "write" else tempfile.gettempdir()
        return {"error": DecoderError.__name__, "reason": f"{where}: {error.strerror}"}
    return {"error": UnreadableAudioError.__name__, "reason": f"decoding it failed ({type(error).__name__})"}
