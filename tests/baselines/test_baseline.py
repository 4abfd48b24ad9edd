import json
from pathlib import Path

import numpy as np
import pytest

from emovox.baselines import baseline as baselines
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit
from emovox.errors import BaselineError
from support import tiny
from support.baselines import baseline

METADATA = tiny.metadata(embedding_size=7)


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((6, 7))
    for own in fit("calls", rows, METADATA, groups=["anna", "bert"] * 3, column="speaker", source="six calls"):
        path = tmp_path / "own" / f"{own.name}.json"
        own.write(path)
        again = Baseline.read(path)
        assert again.model_dump_json() == own.model_dump_json()
        assert again.checksum == own.checksum
        np.testing.assert_array_equal(again.sum, own.sum)
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_found_by_name_and_by_path(tmp_path: Path) -> None:
    own = baseline(METADATA)
    with pytest.raises(BaselineError, match=r"no baseline 'line3': fit it with `emovox baseline fit RECORDINGS"):
        Baseline.find("line3")
    own.write(baselines.baseline_path("line3"))
    own.write(tmp_path / "else where.json")
    assert baselines.names() == ["line3"]
    assert Baseline.find("line3").checksum == Baseline.find(tmp_path / "else where.json").checksum == own.checksum
    assert Baseline.find(own) is own
    with pytest.raises(BaselineError, match="choose line3, or fit it"):
        Baseline.find("line4")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", ".hidden", "x" * 129, "calls.json", "a.", "\n"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(BaselineError, match="can't be the name of a baseline"):
        baselines.baseline_path(name)


@pytest.mark.parametrize("name", ["self", "corpus", "speaker", "recognized"])
def test_some_words_mean_something_else(name: str) -> None:
    with pytest.raises(BaselineError, match="means something of its own"):
        Baseline.find(name)
    with pytest.raises(BaselineError, match="means something of its own"):
        fit(name, np.zeros((1, 7)), METADATA)


def test_another_model_is_refused() -> None:
    own = baseline(METADATA)
    own.check(METADATA)
    own.check(METADATA.model_copy(update={"revision": "2", "embedding_revision": "1"}))  # the same embeddings
    with pytest.raises(BaselineError, match="made with the model tiny 1, not with tiny 2: choose that model"):
        own.check(METADATA.model_copy(update={"revision": "2"}))
    with pytest.raises(BaselineError, match="same name, other weights"):
        own.check(METADATA.model_copy(update={"source_sha256": "1" * 64}))


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"count": 21},  # it names the embeddings of twenty
        {"sum": "AAAA"},
        {"squares": [0, 1]},
        {"format": 2},
        {"group": {"name": "a", "column": "b", "value": "c", "count": 1, "sum": [0.0] * 7}},
        {"sum": [float("inf")] * 7},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "line3.json"
    data = json.loads(baseline(METADATA).model_dump_json()) | change
    path.write_text(json.dumps(data))
    with pytest.raises(BaselineError, match=r"line3\.json: not a baseline of Emovox, or damaged"):
        Baseline.read(path)


def test_no_file_and_no_place(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="can't be read: No such file"):
        Baseline.read(tmp_path / "none.json")
    (tmp_path / "file").touch()
    with pytest.raises(BaselineError, match="can't be written"):
        baseline(METADATA).write(tmp_path / "file" / "line3.json")


def test_it_knows_its_recordings() -> None:
    own = baseline(METADATA, count=2)
    assert own.knows(f"{1:064x}")
    assert not own.knows("f" * 64)
    [unknown] = fit("x", np.zeros((2, 7)), METADATA, sha256s=["a" * 64, None])
    assert unknown.recordings is None
    assert not unknown.knows("a" * 64)
