import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.errors import HeadError
from emovox.inference.recognizer import Recognizer
from emovox.models import head as heads
from emovox.models.head import Head
from support import tiny
from support.heads import head

METADATA = tiny.metadata(embedding_size=7)


@given(frames=st.integers(1, 40), classes=st.integers(2, 12), seed=st.integers(0, 99))
def test_logits_of_the_mean_are_the_mean_of_the_logits(frames: int, classes: int, seed: int) -> None:
    own = head(METADATA, tuple(map(str, range(classes))), seed)
    rows = np.random.default_rng(seed).standard_normal((frames, 7)).astype(np.float32)
    np.testing.assert_allclose(own.logits(rows.mean(axis=0)), own.logits(rows).mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(own.scores(rows).sum(axis=1), 1)
    np.testing.assert_allclose(own.logits(rows)[0], [row @ rows[0] for row in own.weights] + own.bias, atol=1e-5)


@given(
    names=st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=6, unique=True), seed=st.integers(0, 9)
)
def test_a_file_holds_all_of_it(tmp_path_factory: pytest.TempPathFactory, names: list[str], seed: int) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    if len(set(names)) < len(names):
        return
    own = head(METADATA, tuple(names), seed)
    path = tmp_path_factory.mktemp("heads") / "calls.json"
    own.write(path)
    again = Head.read(path)
    assert again.model_dump(exclude={"weights", "bias"}) == own.model_dump(exclude={"weights", "bias"})
    np.testing.assert_array_equal(again.weights, own.weights)
    np.testing.assert_array_equal(again.bias, own.bias)
    assert [file.name for file in path.parent.iterdir()] == ["calls.json"]


def test_found_by_name_and_by_path(tmp_path: Path) -> None:
    own = head(METADATA)
    with pytest.raises(HeadError, match=r"no head 'calls': train it with `emovox head train"):
        Head.find("calls")
    own.write(heads.head_path("calls"))
    own.write(tmp_path / "else where.json")
    assert heads.names() == ["calls"]
    assert Head.find("calls").classes == Head.find(tmp_path / "else where.json").classes == own.classes
    assert Head.find(str(tmp_path / "else where.json")).name == "calls"
    assert Head.find(own) is own
    with pytest.raises(HeadError, match="choose calls, or train it"):
        Head.find("cals")


@pytest.mark.parametrize("name", ["", "../calls", "a/b", "a\\b", ".hidden", "x" * 65, "calls.json", "a.", "\n"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(HeadError, match="can't be the name of a head"):
        heads.head_path(name)


def test_names_may_be_chinese() -> None:
    head(METADATA, name="客服 通话").write(heads.head_path("客服 通话"))
    assert Head.find("客服 通话").name == "客服 通话"


def test_another_models_embeddings_are_refused() -> None:
    own = head(METADATA)
    own.check(METADATA)
    own.check(METADATA.model_copy(update={"precision": "int8"}))
    with pytest.raises(HeadError, match="trained on the model tiny 1, not on other 1: choose that model"):
        own.check(METADATA.model_copy(update={"name": "other"}))
    with pytest.raises(HeadError, match="same name, other weights"):
        own.check(METADATA.model_copy(update={"source_sha256": "1" * 64}))


def test_a_readout_of_the_model_keeps_its_name() -> None:
    metadata = METADATA.model_copy(update={"readouts": (tiny.DIMENSIONS, tiny.EMOTIONS)})
    with pytest.raises(
        HeadError, match="the model itself has a readout dimensions: train the head under another name"
    ):
        head(metadata, name="dimensions").check(metadata)
    head(metadata, name="emotion").check(metadata)  # the nine are nowhere called so


def test_the_first_heads_are_read_as_ever(tmp_path: Path) -> None:
    """As 0.1 wrote them: they don't say what they were trained on, nor that readouts exist."""
    (tmp_path / "calls.json").write_text(
        r"""{
 "format": 1,
 "name": "calls",
 "model": {
  "name": "lite", "revision": "5",
  "source_sha256": "0000000000000000000000000000000000000000000000000000000000000000", "embedding_size": 2
 },
 "classes": ["complaint", "praise", "\u6295\u8bc9"],
 "training": {
  "created_at": "2025-02-03T04:05:06.789000Z", "emovox": "0.1.0", "method": "logistic", "own_head": false,
  "penalty": 0.01, "temperature": 1.25, "clips": {"complaint": 5, "praise": 6, "\u6295\u8bc9": 7},
  "group": "speaker", "groups": 3, "folds": 3, "unweighted": 0.75,
  "recalls": {"complaint": 0.8, "praise": 0.7, "\u6295\u8bc9": 0.75}
 },
 "weights": "AACAPwAAAMAAAEBAAACAvgAAAD8AAAAA",
 "bias": "AAAAAAAAgD8AAADA"
}
"""
    )
    own = Head.read(tmp_path / "calls.json")
    np.testing.assert_array_equal(own.weights, [[1, -2], [3, -0.25], [0.5, 0]])
    np.testing.assert_array_equal(own.bias, [0, 1, -2])
    assert (own.classes, own.training.recordings, own.training.folds) == (("complaint", "praise", "投诉"), None, 3)
    lite = Recognizer("lite").metadata
    facts = {"embedding_size": 2, "source_sha256": "0" * 64}
    own.check(lite.model_copy(update=facts))  # the embeddings of revision 5 are those of today's
    assert own.readout.labels == own.classes
    own.write(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["weights"] == "AACAPwAAAMAAAEBAAACAvgAAAD8AAAAA"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": "AAAA"}, "weights"),
        ({"weights": "!"}, "weights"),
        ({"bias": "AADAfwAA"}, "bias"),
        ({"classes": ["a", "a"]}, "named twice"),
        ({"classes": ["a"]}, "classes"),
        ({"format": 2}, "format"),
        ({"name": "../x"}, "can't be the name"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "calls.json"
    facts = json.loads(head(METADATA).model_dump_json())
    path.write_text(json.dumps({**facts, **change}))
    with pytest.raises(HeadError, match=said):
        Head.read(path)


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(HeadError, match="not a head of Emovox"):
        Head.read(tmp_path / "x.json")
    with pytest.raises(HeadError, match="can't be read: No such file"):
        Head.read(tmp_path / "y.json")
    weights = head(METADATA).weights.copy()
    weights[0, 0] = np.nan
    with pytest.raises(ValueError, match="aren't finite"):
        head(METADATA, weights=weights)


def test_a_head_fits_every_revision_with_the_same_embeddings() -> None:
    old = head(METADATA)
    newer = METADATA.model_copy(update={"revision": "1.1", "embedding_revision": "1"})
    newest = METADATA.model_copy(update={"revision": "2"})
    old.check(newer)
    head(newer).check(METADATA)
    head(newer).check(newer)
    with pytest.raises(HeadError, match="trained on the model tiny 1, not on tiny 2: choose"):
        old.check(newest)
    with pytest.raises(HeadError, match=r"trained on the model tiny 2, not on tiny 1\.1: choose"):
        head(newest).check(newer)
