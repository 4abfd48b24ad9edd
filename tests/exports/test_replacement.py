import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from emovox.errors import OutputsError
from emovox.exports.replacement import replacing


def test_the_new_file_appears_at_once_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")])
def test_a_failure_leaves_the_old_one_alone(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x.csv", b"old")]


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "disk is full; free some space"), (errno.EACCES, "can't be written: Permission denied")],
)
def test_what_the_system_refuses_is_explained(tmp_path: Path, code: int, message: str) -> None:
    with pytest.raises(OutputsError, match=message), replacing(tmp_path / "x.csv"):
        raise OSError(code, os.strerror(code))
    assert list(tmp_path.iterdir()) == []


def test_no_directory(tmp_path: Path) -> None:
    refused = pytest.raises(OutputsError, match="can't be written: No such file or directory")
    with refused, replacing(tmp_path / "gone" / "x.csv"):
        pass


def test_a_full_disk_for_every_format(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import resource, sys
        sys.path[:0] = [{str(Path(__file__).parents[1])!r}]
        from emovox import exports
        from emovox.errors import OutputsError
        from support.results import frames, recognition, recording, segment, values
        segments = [segment(place, place + 1) for place in range(200)]
        plane = {{"x": values(arousal=0.5, valence=0.5)}}
        result = recognition(
            recording=recording(200), segments=segments, frames=frames(10_000), readouts=plane
        )
        exports.write(recognition(segments=[]), {str(tmp_path)!r}, ["png"])  # matplotlib's own cache
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        for name in exports.FORMATS:
            try:
                exports.write(result, {str(tmp_path)!r}, [name])
            except OutputsError as error:
                assert "disk is full" in str(error), error
            else:
                raise SystemExit(f"nothing was raised for {{name}}")
    """)
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["matplotlib", "timeline.png"]


WRITER = """
import sys
sys.path[:0] = [{tests!r}]
from emovox import exports
from support.results import frames, recognition
result = recognition(frames=frames(3000))
print("ready", flush=True)
while True:
    exports.write(result, {place!r}, ["csv"])
"""


def test_killed_at_random(tmp_path: Path) -> None:
    chance = random.Random(5)
    code = WRITER.format(tests=str(Path(__file__).parents[1]), place=str(tmp_path))
    halves = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while not (tmp_path / "frames.csv").exists():
                time.sleep(0.001)
            time.sleep(chance.uniform(0.05, 0.15))
            process.send_signal(signal.SIGKILL)
        text = (tmp_path / "frames.csv").read_text()
        assert text.count("\n") == 3001
        assert text.endswith("\n")
        halves += len(list(tmp_path.glob(".frames.csv.*.part")))
    assert halves, "some kill must have hit a file, or this test shows nothing"
