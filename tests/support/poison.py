"""Recordings that break their decoder, each as its last bytes say. Only the decoders of a test are so."""

import os
import sys
from pathlib import Path

import pytest

CRASH, KILL, HANG, EAT, LATE, WAIT, SAY = b"!crash", b"!kill", b"!hang", b"!eat", b"!late", b"!wait", b"!say:"

_IN_DECODERS = """
import os, sys
if any("isolation.worker" in word for word in sys.orig_argv):
"""
_EVIL = """
    import time
    import emovox.audio.decoding as decoding
    import emovox.audio.isolation.worker as worker

    class Output(worker.Output):
        def __init__(self, file):
            global answers
            answers = file
            super().__init__(file)

    class av:
        def __getattr__(self, name):
            return getattr(honest, name)

        def open(self, file, *rest, **more):
            global late
            data = file._data.at(0, file._data.size)  # all of the file, what is no sound too
            late = data.endswith(b"!late")
            if data.endswith(b"!crash"): os.kill(os.getpid(), 11)
            if data.endswith(b"!kill"): os.kill(os.getpid(), 9)
            if data.endswith(b"!hang"): time.sleep(1000)
            if data.endswith(b"!eat"): bytearray(2**40)
            if data.endswith(b"!wait"):
                while not os.path.exists(file.name + ".go"): time.sleep(0.01)
            if data.startswith(b"!say:"):
                answers.write(data[5:])
                answers.flush()
                time.sleep(1000)
            return honest.open(file, *rest, **more)

    def frames(track):
        for frame in honest_frames(track):
            yield frame
            if late: os.kill(os.getpid(), 11)

    honest, honest_frames = decoding.av, decoding.Track.frames
    decoding.av, decoding.Track.frames, worker.Output = av(), frames, Output
"""


def poison(monkeypatch: pytest.MonkeyPatch, directory: Path, *, at_start: str | None = None) -> None:
    """Let recordings break their decoders from now on; or let every decoder do something when it is started.

    Args:
        monkeypatch: ends it.
        directory: where modules may be written.
        at_start: a line of Python.
    """
    place = directory / "poison"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(_IN_DECODERS + (f"    {at_start}\n" if at_start else _EVIL))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place), *filter(None, sys.path)]))
