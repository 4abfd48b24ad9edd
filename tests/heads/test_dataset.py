import hashlib
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emovox.errors import LabelsError
from emovox.heads.dataset import cache_key, embed
from emovox.heads.embedding_cache import EmbeddingCache
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from emovox.outputs import Outputs

REVISION_5 = "0a10a29189169594906c3976cd0447e3fb9e225051f01efd0789a9250d928cb8"  # of its file


def rows(*paths: Path) -> list[Labelled]:
    return [Labelled(path, "x", path.name) for path in paths]


def test_each_is_recognised_once(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "another name.flac"
    copy.write_bytes(examples[0].read_bytes())
    begun: list[str] = []
    first, kept, failures, sha256s = embed(rows(*examples[:2]), recognizer, begin=begun.append)
    assert sha256s == [hashlib.sha256(path.read_bytes()).hexdigest() for path in examples[:2]]
    assert (len(kept), failures, begun) == (2, [], [path.name for path in examples[:2]])
    expected = recognizer.recognize(examples[0], embedding=True).embedding
    assert expected is not None
    np.testing.assert_array_equal(first[0], expected[0])
    monkeypatch.setattr(Recognizer, "recognize", None)
    again, _, _, _ = embed(rows(copy, examples[1]), recognizer)
    np.testing.assert_array_equal(again, first)


def test_outputs_directories_give_theirs(recognizer: Recognizer, examples: list[Path], tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "outputs")
    with outputs.draft() as draft:
        result = recognizer.recognize(examples[0], granularity="frame", embedding=True, sink=draft.write)
        place = draft.publish(result)
    found, _, _, sha256s = embed(rows(place / "embedding.npy", examples[0]), recognizer)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert sha256s == [result.recording.sha256] * 2
    text = (place / "result.json").read_text()
    (place / "result.json").write_text(text.replace('"lite"', '"large"'))
    _, kept, failures, _ = embed(rows(place / "embedding.npy", examples[0]), recognizer)
    assert len(kept) == 1
    revision = recognizer.metadata.revision
    assert failures == [("embedding.npy", f"an embedding by large {revision}, not by lite {revision}")]


def test_those_of_revision_5_are_used_as_ever(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "outputs_20240104_223000"
    place.mkdir()
    np.save(place / "embedding.npy", np.ones((1, 384), np.float32))
    old = {"name": "lite", "revision": "5", "precision": "fp32", "checksum": REVISION_5}
    (place / "result.json").write_text(json.dumps({"model": old}))
    with closing(EmbeddingCache(cache_key(recognizer))) as cache:
        assert cache._database is not None
        cached = (f"{REVISION_5} fp32", hashlib.sha256(examples[0].read_bytes()).hexdigest(), bytes(384 * 4))
        cache._database.execute("INSERT INTO embedding VALUES (?, ?, ?)", cached)
    monkeypatch.setattr(Recognizer, "recognize", None)
    found, _, failures, _ = embed(rows(place / "embedding.npy", examples[0]), recognizer)
    assert failures == []
    np.testing.assert_array_equal(found, [np.ones(384), np.zeros(384)])
    (place / "result.json").write_text(json.dumps({"model": {**old, "revision": "4"}}))
    _, _, failures, _ = embed(rows(place / "embedding.npy", examples[0]), recognizer)
    assert failures == [("embedding.npy", "an embedding by lite 4, not by lite 5.3")]


def test_what_can_t_be_used_costs_nothing_else(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    narrow, pickled, noise = tmp_path / "narrow.npy", tmp_path / "pickled.npy", tmp_path / "noise.wav"
    np.save(narrow, np.zeros((3, 5), np.float32))
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    noise.write_bytes(b"no sound at all" * 100)
    bad = rows(narrow, pickled, noise, tmp_path / "none.wav")
    found, kept, failures, _ = embed([*bad, *rows(examples[0])], recognizer)
    assert (len(found), [row.name for row in kept]) == (1, [examples[0].name])
    reasons = dict(failures)
    assert reasons["narrow.npy"] == "not an embedding by lite, which has 384 numbers: its shape is (3, 5)"
    assert "allow_pickle=False" in reasons["pickled.npy"]
    assert reasons["none.wav"] == "can't be read: No such file or directory"
    with pytest.raises(
        LabelsError, match=r"none of the 4 recordings can be used; narrow\.npy: not an embedding by lite"
    ):
        embed(bad, recognizer)
