"""The process that decodes: one request a line on standard input, one or more answers a line on standard output.

It is started by `decoders`, imports no model, and limits its own memory: whatever a file does to FFmpeg, it does
to this process.
"""

import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from emovox import errors
from emovox.audio.decoded import FULL, decode_to
from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import AudioError, DecoderError, UnreadableAudioError

STEP = 10  # seconds of sound from one word of progress to the next


def limit_memory(size: int) -> None:
    """Let this process have so many bytes of address space, where the system can, and leave no core file."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):  # macOS takes the call and ignores it
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def answer(request: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Do what a request wants of the recording it names; an AudioError is an answer too."""
    try:
        return count_channels(request) if request["target"] is None else write_waveform(request, out)
    except AudioError as error:
        kind = type(error).__name__
        return {"error": kind if hasattr(errors, kind) else "UnreadableAudioError", "reason": error.reason}
    except MemoryError:
        return {"error": UnreadableAudioError.__name__, "reason": "decoding it needs more memory than is allowed"}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:  # the next recording would fare no better
            where = Path(request["target"] or ".").parent
            return {"error": DecoderError.__name__, "reason": f"{where}: {error.strerror}"}
        return {"error": UnreadableAudioError.__name__, "reason": f"decoding it failed ({type(error).__name__})"}


def count_channels(request: dict[str, Any]) -> dict[str, Any]:
    """Open a recording, and decode nothing of it."""
    with (
        open_recording(Path(request["source"]), name="recording", max_bytes=request["max_bytes"]) as recording,
        decode(recording, max_seconds=math.inf) as decoding,
    ):
        return {"channels": decoding.channels}


def write_waveform(request: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Decode a recording into the file `target`; progress goes to `out` on the way."""
    told = 0.0

    def progress(seconds: float) -> None:
        nonlocal told
        if seconds - told >= STEP:
            told = seconds
            out.write(json.dumps({"seconds": seconds}) + "\n")
            out.flush()

    decoded = decode_to(
        Path(request["target"]),
        Path(request["source"]),
        name=request["name"] or "recording",
        channel=request["channel"],
        max_bytes=request["max_bytes"],
        max_seconds=request["max_seconds"],
        progress=progress,
    )
    return {
        "sha256": decoded.sha256,
        "sample_rate": decoded.sample_rate,
        "channels": decoded.channels,
        "codec": decoded.codec,
        "samples": decoded.samples,
        "warnings": list(decoded.warnings),
        "duration": decoded.samples / SAMPLE_RATE,
    }


def follow(parent: int) -> None:
    """End with the process that started this one, even in the middle of a recording, when it was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """Answer requests until standard input ends; the first argument limits the memory, bytes."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what FFmpeg prints must not look like an answer
    limit_memory(int(sys.argv[1]))
    threading.Thread(target=follow, args=(os.getppid(),), daemon=True).start()
    out.write('{"ready": true}\n')
    out.flush()
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line), out)) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
