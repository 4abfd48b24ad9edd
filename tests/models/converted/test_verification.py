import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from emovox.errors import BrokenDecoderError
from emovox.models.catalog import snapshot_path
from emovox.models.converted.verification import verify_snapshot
from emovox.models.hub.published import SOURCE_FILE, PublishedFile, SnapshotSource
from emovox.models.loading import open_snapshot
from support import poison, snapshots


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]) -> Path:
    """emotion2vec_plus_large as far as the program can tell, with random weights that hear `angry`."""
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    config = snapshots.tiny()
    state = snapshots.random_state(config)
    state["proj.bias"] = np.array([60, 0, 0, 0, 0, 0, 0, 0, 0], np.float32)
    directory = snapshots.write(snapshot_path("emotion2vec_plus_large"), config, state=state)
    (directory / "example").mkdir()
    shutil.copy(examples[0], directory / "example" / "test.wav")
    return directory


def publish(directory: Path) -> None:
    files = tuple(
        PublishedFile(
            path=name,
            size=(directory / name).stat().st_size,
            algorithm="sha256",
            checksum=hashlib.sha256((directory / name).read_bytes()).hexdigest(),
        )
        for name in ("model.pt", "config.yaml")
    )
    source = SnapshotSource(
        hub="huggingface", repository="a/b", address="https://example.org", revision="main", commit="c0ffee",
        pulled="2024-01-04T22:30:00Z", files=files,
    )  # fmt: skip
    (directory / SOURCE_FILE).write_text(source.model_dump_json())


def test_what_the_authors_computed(place: Path) -> None:
    publish(place)
    found = verify_snapshot(open_snapshot(place))
    assert found.good
    assert found.lines[0] == "files: all 2 have the checksums that https://example.org published"
    assert found.lines[1].startswith("example: angry 1,")
    assert found.lines[2] == "verdict: this installation computes what the authors computed (angry 1.0)"


def test_changed_files_are_named(place: Path) -> None:
    publish(place)
    with (place / "config.yaml").open("a") as file:
        file.write("\n# changed\n")
    found = verify_snapshot(open_snapshot(place))
    assert not found.good
    assert "CHANGED since they were pulled: config.yaml" in found.lines[0]


def test_another_answer_is_wrong(place: Path) -> None:
    config = snapshots.tiny()
    snapshots.write(place, config, state=snapshots.random_state(config))
    found = verify_snapshot(open_snapshot(place))
    assert not found.good
    assert "not pulled by Emovox" in found.lines[0]
    assert found.lines[-1].startswith("verdict: WRONG")


def test_nothing_is_claimed_where_nothing_is_known(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "somebody's"
    shutil.copytree(place, elsewhere)
    assert "no published result is known" in verify_snapshot(open_snapshot(elsewhere)).lines[-1]
    shutil.rmtree(elsewhere / "example")
    found = verify_snapshot(open_snapshot(elsewhere))
    assert found.good
    assert "has no example/test.wav" in found.lines[-1]


def test_an_example_that_kills_its_decoder_is_said(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (place / "example" / "test.wav").write_bytes(poison.CRASH)
    with pytest.raises(BrokenDecoderError, match=r"^test\.wav: "):
        verify_snapshot(open_snapshot(place))
