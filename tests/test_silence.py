"""Nothing leaves the machine: every way into the program is run as a user runs it, and watched from outside."""

import csv
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest

from support.clusters import needs_ray
from support.strace import Watched
from support.waiting import until

IDLE = 60  # seconds for which the service has nothing to do: what is sent then and again would be seen
EMOVOX = [sys.executable, "-m", "emovox"]
PLAYLIST = "#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/sound.ts\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
LIBRARY = """
import sys, emovox
for engine in (emovox.Recognizer("lite"), emovox.Recognizer("lite", precision="fp32")):
    for recording in sys.argv[1:]:
        print(engine.recognize(recording, segments=True).emotion)
"""
OTHERS = """
set -ex
emovox() { "$PYTHON" -m emovox "$@"; }
emovox models list
emovox models show lite
emovox recognize calls --archive --embedding --segments --granularity frame
emovox listen calls/angry.flac --fast --no-save
emovox export outputs/outputs_* --format png,svg,csv,parquet,textgrid
emovox archive import outputs
emovox archive stats
emovox similar calls/angry.flac
emovox map map.html
emovox evaluate labels.csv --out report
emovox head train vectors.csv --name mine --model lite
"""
"""Whatever else draws, fits, searches or keeps something."""
ASSISTANT = """
import asyncio, os, re, subprocess, sys
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

OWN = ["-m", "emovox", "mcp", "--folder", "calls=calls", "--archive", "--save"]

async def ask(transport):
    async with Client(transport) as client:
        await client.list_tools()
        for name in ("save_recognition", "timeline", "similar"):
            answer = await client.call_tool(name, {"recording": "calls/angry.flac"})
            assert not answer.is_error, answer

asyncio.run(ask(stdio_client(StdioServerParameters(command=sys.executable, args=OWN, env={**os.environ}))))
OWN = [sys.executable, *OWN, "--transport", "http", "--port", "0"]
with subprocess.Popen(OWN, stderr=subprocess.PIPE) as server:
    address = next(found[0] for line in server.stderr if (found := re.search("http://.*/mcp", line.decode())))
    asyncio.run(ask(address))
    server.terminate()
"""


def test_the_program_around_stays_as_it_was() -> None:
    code = """
import os, sys
import openvino_telemetry
before = dict(os.environ)
from emovox.silence import import_onnxruntime, import_openvino
assert (import_openvino().__name__, import_onnxruntime().__name__) == ("openvino", "onnxruntime")
assert dict(os.environ) == before
assert sys.modules["openvino_telemetry"] is openvino_telemetry
assert "openvino_telemetry.main" in sys.modules
"""
    for variables in ({}, {"ORT_DISABLE_TELEMETRY": "0"}):
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **variables}, check=True)


class Entries:
    """The entries, each watched; all run at the same time, so that this takes little longer than the longest."""

    def __init__(self, place: Path, examples: list[Path]) -> None:
        self._place, self._examples = place, examples
        self.watched: dict[str, Watched] = {}
        self.codes: dict[str, int] = {}

    def start(self, name: str, *command: str) -> Watched:
        place = self._place / name
        _fill(place / "here", self._examples)
        self.watched[name] = Watched(place, *command)
        return self.watched[name]

    def finish(self) -> None:
        self.codes = {name: watched.wait() for name, watched in self.watched.items()}


@pytest.fixture(scope="module")
def entries(examples: list[Path]) -> Iterator[Entries]:
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="seen"))  # a short path, for Ray's sockets
        entries = Entries(Path(place), examples)
        service = entries.start("serve", *EMOVOX, "serve", "--port", "0")
        asking = threading.Thread(target=_ask, args=(service, examples[0]))
        asking.start()
        entries.start("recognize", *EMOVOX, "recognize", "calls", "playlist.wav", "--export", "png,srt")
        entries.start(
            "library", sys.executable, "-c", LIBRARY, *(f"calls/{name}" for name in ("sad.flac", "angry.flac"))
        )
        entries.start(
            "batch", *EMOVOX, *shlex.split("batch calls --out heard --workers 2 --outputs-dirs --export png")
        )
        entries.start("assistant", sys.executable, "-c", ASSISTANT)
        entries.start("others", "/bin/sh", "-c", OTHERS.replace("$PYTHON", sys.executable))
        if importlib.util.find_spec("ray"):
            entries.start("ray", *EMOVOX, *shlex.split("batch calls --out heard --engine ray"))
        asking.join()
        entries.finish()
        yield entries


def _fill(here: Path, examples: list[Path]) -> None:
    """Recordings, a playlist that would have FFmpeg go online, and labels."""
    (here / "calls").mkdir(parents=True)
    with (here / "labels.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "speaker"])
        for example in examples:
            emotion = example.stem.rpartition("_")[2]
            (here / "calls" / f"{emotion}.flac").write_bytes(example.read_bytes())
            rows.writerow([f"calls/{emotion}.flac", emotion, example.stem.split("_")[1][:2]])
    (here / "playlist.wav").write_text(PLAYLIST)
    chance = np.random.default_rng(0)
    lines = ["path,label,speaker"]
    for number in range(24):
        np.save(here / f"{number}.npy", (3 * (number % 2) + chance.standard_normal((1, 384))).astype(np.float32))
        lines.append(f"{number}.npy,{('complaint', 'praise')[number % 2]},{'abc'[number // 8]}")
    (here / "vectors.csv").write_text("\n".join(lines))


def _ask(service: Watched, recording: Path) -> None:
    """Use a service a little, leave it alone for a while, and stop it."""
    until(lambda: "listens on" in service.told() or service.process.poll() is not None, 120)
    address = re.search(r"listens on http://localhost:(\d+)", service.told())
    if address is None:  # which the exit code will tell
        return
    with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", timeout=120) as client:
        until(lambda: client.get("/readyz").is_success, 120)
        sound = {"file": (recording.name, recording.read_bytes())}
        done = client.post("/v1/recognitions", files=sound, data={"export": "png,srt", "segments": "true"})
        pages = [
            client.get(path) for path in ("/", "/docs", "/metrics", "/v1/models", "/v1/outputs", "/v1/archive")
        ]
        time.sleep(IDLE)
        again = client.post("/v1/recognitions", files=sound, data={"store": "false"})
    service.stop()
    assert [answer.status_code for answer in (done, *pages, again)] == [200] * (2 + len(pages))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
@pytest.mark.parametrize(
    ("name", "code"),
    [("recognize", 1), ("library", 0), ("serve", 0), ("batch", 0), ("others", 0), ("ray", 0), ("assistant", 0)],
)
def test_nothing_leaves_and_nothing_is_left(entries: Entries, name: str, code: int) -> None:
    if name == "ray":
        needs_ray()
    check(entries, name, code)


@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
def test_recognising_leaves_nothing(examples: list[Path], tmp_path: Path) -> None:
    """In small what is above for every way in."""
    entries = Entries(tmp_path, examples)
    entries.start("recognize", *EMOVOX, "recognize", "calls", "playlist.wav")
    entries.start("assistant", sys.executable, "-c", ASSISTANT)
    entries.finish()
    check(entries, "recognize", 1)
    check(entries, "assistant", 0)


def check(entries: Entries, name: str, code: int) -> None:
    """One of them has ended as it should, told nobody, and left nothing but its own."""
    watched = entries.watched[name]
    assert entries.codes[name] == code, watched.told()
    assert watched.contacts() == []
    own = [watched.home / ".cache/emovox", watched.home / ".config/emovox", watched.home / ".local/share/emovox"]
    assert watched.files(*own) == []
