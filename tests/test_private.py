import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox import exports, private
from emovox.archive import Archive
from emovox.audio.decoded import decode_to
from emovox.audio.wav import WavWriter
from emovox.inference import npy
from emovox.outputs import Outputs
from emovox.server.timeline import Timelines
from support.results import recognition, segment
from support.service import ServiceProcess

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has rights of its own")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Everybody may do everything, as far as the system is concerned."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(root: Path, *, group: bool = False) -> list[str]:
    """What is under a directory and its owner's alone is not."""
    others = 0o007 if group else 0o077
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.lstat().st_mode & others]


def publish(root: Path) -> Path:
    embedding = np.ones((1, 4), np.float32)
    found = recognition(embedding=embedding, segments=[segment(0.1, 0.9, embedding=embedding[0])])
    with Outputs(root).draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        exports.write(found, draft.complete(found), ["csv"])
        return draft.publish(found)


def test_files_and_directories(tmp_path: Path) -> None:
    private.make_directory(tmp_path / "a" / "b")
    private.make_directory(tmp_path / "a" / "b")
    private.create(tmp_path / "a" / "file").close()
    private.touch(tmp_path / "a" / "other")
    WavWriter(tmp_path / "a" / "sound.wav").close()
    npy.save(tmp_path / "a" / "array.npy", np.ones(3))
    npy.NpyWriter(tmp_path / "a" / "rows.npy", 3).close()
    assert open_to_others(tmp_path) == []
    assert [rights(path) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]
    (tmp_path / "a" / "file").chmod(0o644)
    private.touch(tmp_path / "a" / "file")
    assert rights(tmp_path / "a" / "file") == 0o644  # whose it is may have opened it
    with pytest.raises(FileExistsError):
        private.make_directory(tmp_path / "a" / "file")
    with pytest.raises(FileExistsError):
        private.create(tmp_path / "a" / "file")


@pytest.mark.parametrize("mask", [0o077, 0o027, 0])
def test_a_directory_that_is_shared_on_purpose(tmp_path: Path, mask: int) -> None:
    os.umask(mask)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2777)
    private.make_directory(shared / "a" / "b")
    private.create(shared / "a" / "b" / "file").close()
    WavWriter(shared / "sound.wav").close()
    assert rights(shared / "a") == rights(shared / "a" / "b") == 0o2770
    assert rights(shared / "a" / "b" / "file") == rights(shared / "sound.wav") == 0o660
    shared.chmod(0o2750)
    private.create(shared / "read").close()
    assert rights(shared / "read") == 0o640


def test_one_that_is_merely_open_is_not(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir(0o777)
    directory = publish(tmp_path / "outputs")
    assert rights(tmp_path / "outputs") == 0o777
    assert open_to_others(tmp_path / "outputs") == []
    assert rights(directory) == 0o700


def test_outputs_and_what_is_made_of_them(tmp_path: Path) -> None:
    directory = publish(tmp_path / "outputs")
    assert {path.name for path in directory.iterdir()} == {
        "processed_audio.wav", "result.json", "embedding.npy", "segment_embeddings.npy", "segments.csv"
    }  # fmt: skip
    with Outputs(tmp_path / "outputs").draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        draft.keep_audio()
        draft.write_embedding(np.ones((2, 4), np.float32))
        assert open_to_others(tmp_path) == []
    Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=10)
    decode_to(
        tmp_path / "waveform",
        directory / "processed_audio.wav",
        name=None,
        channel=None,
        max_bytes=10**9,
        max_seconds=100,
    )
    assert open_to_others(tmp_path) == []


def test_colleagues_who_share_their_outputs(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs").chmod(0o2770)
    directory = publish(tmp_path / "outputs")
    assert open_to_others(tmp_path / "outputs", group=True) == []
    assert {rights(path) for path in directory.iterdir()} == {0o660}
    assert rights(directory) == rights(tmp_path / "outputs" / ".emovox") == 0o2770


def test_databases_with_what_sqlite_lays_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "new" / "outputs.db"
    with Archive(file) as archive:
        archive.add(recognition())
        assert {path.name for path in file.parent.iterdir()} >= {"outputs.db", "outputs.db-wal", "outputs.db-shm"}
        assert open_to_others(tmp_path) == []
    file = tmp_path / "new" / "old.db"
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE somebodys (number INTEGER)")
    connection.close()
    file.chmod(0o600)
    Archive(file).close()  # which copies the file before it changes it
    assert len(list(file.parent.glob("*before*"))) == 1
    assert open_to_others(tmp_path) == []


def test_a_service_at_work(tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    process = ServiceProcess(tmp_path / "outputs")
    process.wait_until_ready()
    client = process.client
    batch = [("file", (path.name, path.read_bytes())) for path in examples]
    assert client.post("/v1/batches", files=batch, data={"segments": "true"}).status_code == 202
    place = client.post_file(examples[0], granularity="frame", embedding="true", export="csv").headers["location"]
    assert client.get(f"{place}/timeline").is_success
    assert client.get(f"{place}/similar").status_code in {200, 409}
    assert (tmp_path / "outputs" / ".emovox" / "service" / "service.db").exists()
    assert (tmp_path / "outputs.db").exists()
    assert open_to_others(tmp_path) == []
    process.end(kill=True)
    assert open_to_others(tmp_path) == []
    assert rights(tmp_path / "outputs") == 0o700


def test_the_commands(tmp_path: Path, examples: list[Path], run: Callable[..., tuple[int, str, str]]) -> None:
    here = tmp_path / "here"  # where the commands run
    assert run("recognize", examples[0], "--embedding", "--segments", "--archive", "--export", "srt")[0] == 0
    assert run("batch", examples[0].parent, "--out", here / "batch", "--outputs-dirs")[0] == 0
    assert run("archive", "export", "--output", here / "table.csv")[0] == 0
    [result] = here.glob("outputs/outputs_*/result.json")
    assert json.loads(result.read_text(encoding="utf-8"))["emotion"]
    assert {path.name for path in here.iterdir()} >= {"outputs", "outputs.db", "batch", "table.csv"}
    assert open_to_others(here) == []


def test_a_decoding_process(tmp_path: Path, examples: list[Path]) -> None:
    request = {
        "do": "write", "source": str(examples[0]), "size": None, "target": str(tmp_path / "waveform"),
        "name": None, "channel": None, "track": None, "max_bytes": 10**9, "max_seconds": 100,
    }  # fmt: skip
    code = "import os; os.umask(0); from emovox.audio.isolation.worker import main; main()"
    arguments = [sys.executable, "-c", code, str(2**31)]
    answer = subprocess.run(
        arguments, input=json.dumps(request) + "\n", capture_output=True, text=True, check=True
    )
    assert '"samples"' in answer.stdout
    assert rights(tmp_path / "waveform") == 0o600
