import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Encode
from numpy import float32, zeros
from sqlalchemy import select

from emovox.server.database import jobs
from emovox.server.http.problems import Problem
from emovox.server.waveforms import SECOND, Waveforms
from support.service import Client, serving
from support.waiting import until


def test_they_take_no_more_of_the_disk_than_they_may(tmp_path: Path) -> None:
    waveforms = Waveforms(tmp_path / "waveforms", most=100 * SECOND, longest=10)
    with waveforms.create("a") as one, waveforms.create("b") as two:
        one.grow(60)
        two.grow(20)
        two.grow(30)
        with pytest.raises(Problem) as caught:
            two.grow(50)
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "10"})
        one.grow(70)
        with pytest.raises(Problem), waveforms.create("c"):
            pass
        two.path.write_bytes(b"x")
    assert waveforms.size == 0
    assert list(waveforms.directory.iterdir()) == []


def test_what_found_no_room_is_not_begun_in_vain(tmp_path: Path) -> None:
    waveforms = Waveforms(tmp_path / "waveforms", most=100 * SECOND, longest=10)
    with waveforms.create("a") as one:
        one.grow(60)
        with pytest.raises(Problem), waveforms.create("b") as two:
            two.grow(50)
        with waveforms.create("c"), pytest.raises(Problem), waveforms.create("b"):
            pass
    with waveforms.create("b") as two:
        two.grow(50)


@pytest.mark.parametrize("longest", [1000, float("inf")])
def test_one_always_finds_room(tmp_path: Path, longest: float) -> None:
    waveforms = Waveforms(tmp_path / "waveforms", most=1, longest=longest)
    with waveforms.create("a") as one, waveforms.create("b") as two:
        one.grow(1)
        with pytest.raises(Problem):
            two.grow(1e12)
        one.grow(1010)  # before it is seen that it is too long


def test_what_is_left_goes_and_what_is_deleted_comes_again(tmp_path: Path) -> None:
    (tmp_path / "waveforms").mkdir()
    (tmp_path / "waveforms" / "left").write_bytes(b"x")
    waveforms = Waveforms(tmp_path / "waveforms", most=1, longest=10)
    assert list(waveforms.directory.iterdir()) == []
    shutil.rmtree(waveforms.directory)
    with waveforms.create("a") as one:
        one.path.write_bytes(b"x")
    shutil.rmtree(waveforms.directory)


def test_some_of_the_disk_is_left_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waveforms = Waveforms(tmp_path / "waveforms", most=10**9, longest=10)
    with waveforms.create("a") as one:
        monkeypatch.setattr("emovox.server.disk.RESERVE", 2**60)
        with pytest.raises(Problem) as caught:
            one.grow(10)
        assert caught.value.status == 503


@pytest.fixture
def tight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A service whose waveforms have room for twenty seconds."""
    monkeypatch.setattr("emovox.server.waveforms._BEYOND", 5)
    with serving(tmp_path / "outputs", max_duration=15, max_waveforms_size=1) as client:
        yield client


@pytest.fixture
def silence(encode: Encode) -> Path:
    """Twelve seconds, in next to no bytes."""
    path = encode(zeros(12 * 16_000, float32), "silence.flac", "flac", sample_format="s16")
    assert path.stat().st_size < 12 * SECOND / 50
    return path


def attempts(client: Client) -> int:
    with client.service.database.connect() as connection:
        return int(connection.execute(select(jobs.c.attempts)).scalar_one())


def test_a_small_file_that_becomes_much(tight: Client, silence: Path) -> None:
    with tight.service.waveforms.create("other") as other:
        other.grow(15)
        answer = tight.post_file(silence)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "of the disk" in answer.json()["detail"]
        job = tight.post("/v1/recognitions", content=silence.read_bytes(), headers={"Prefer": "respond-async"})
        until(lambda: attempts(tight) >= 2)
        assert tight.get(job.headers["location"]).json()["state"] in {"queued", "running"}  # it waits
    assert tight.finished(job.json()["id"])["state"] == "done"
    assert tight.post_file(silence).status_code == 200
    assert tight.service.waveforms.size == 0
    assert list(tight.service.waveforms.directory.iterdir()) == []
    assert list(tight.service.uploads.directory.iterdir()) == []


def test_many_at_once_stay_within_it(tight: Client, silence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Watched(Waveforms):
        @property
        def size(self) -> int:
            return sizes[-1]

        @size.setter
        def size(self, size: int) -> None:
            sizes.append(size)

    monkeypatch.setattr(
        tight.service,
        "waveforms",
        Watched(tight.service.waveforms.directory, most=1, longest=tight.service.settings.max_duration),
    )
    files = [("file", ("silence.flac", silence.read_bytes()))] * 4
    batch = tight.post("/v1/batches", files=files, data={"store": "false"}).json()
    until(lambda: bool(tight.get(f"/v1/batches/{batch['id']}").json()["finished"]))
    assert tight.get(f"/v1/batches/{batch['id']}").json()["states"] == {"done": 4}
    assert 12 * SECOND <= max(sizes) <= 20 * SECOND
