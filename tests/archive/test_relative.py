"""Scores of the archive relative to a baseline are those that recognising with it gives."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.archive import Archive, Filter
from emovox.archive.record import ArchiveRecord, from_recognition
from emovox.archive.relative import moved
from emovox.archive.view import View
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, BaselineError, FilterError, OptionsError
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.models.readout import Calibration, Readout
from emovox.settings import settings
from support import tiny
from support.baselines import baseline, with_reference

RATE = 16_000
NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)
CALIBRATED = Readout(**{**dict(NINE), "calibration": Calibration(temperatures=((0.2, 3.0), (2.0, 0.7)))})
CALLS = with_reference(tiny.CALLS, calm=0, angry=0.1, furious=0.3, happy=0.5)


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    return loaded(tmp_path, monkeypatch, CALIBRATED)


def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readout: Readout) -> Recognizer:
    """A model in a file, which the archive can't know by its name: it is that of the settings."""
    path = tiny.write(tmp_path / "tiny.onnx", readouts=(readout,))
    monkeypatch.setenv("EMOVOX_MODEL", str(path))
    settings.cache_clear()
    return Recognizer()


def sounds(speech: np.ndarray) -> list[np.ndarray]:
    return [speech + np.float32(shift) for shift in (0.0, 0.2, -0.1, 0.05)]


def near(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-6, atol=1e-9)


def plain_scores(result: Recognition) -> dict[str, float]:
    assert result.scores is not None
    return {name: result.scores[name] for name in NAMES}


def same(record: ArchiveRecord, segments: list[dict[str, Any]], result: Recognition) -> None:
    assert record.scores is not None
    assert result.scores is not None
    near(record.scores, {name: result.scores[name] for name in NAMES})
    assert record.emotion == result.emotion
    np.testing.assert_allclose(record.confidence or 0, result.confidence or 0, rtol=1e-6)
    for row, own in zip(segments, result.segments or [], strict=True):
        assert own.scores is not None
        near({name: row[name] for name in NAMES}, {name: own.scores[name] for name in NAMES})
        assert row["emotion"] == own.emotion


def filled(archive: Archive, model: Recognizer, values: list[np.ndarray], **options: Any) -> list[Recognition]:
    results = [model.recognize((item, RATE), embedding=True, segments=True, **options) for item in values]
    archive.add_records(from_recognition(item) for item in results)
    return results


def by_sha256(view: View) -> dict[str, ArchiveRecord]:
    return {record.sha256: record for record in view.records()}


def sha256s_of_pages(view: View) -> list[str]:
    """The recordings of a view's pages of one."""
    page, before = view.find(limit=1)
    sha256s = [record.sha256 for record in page]
    while before is not None:
        page, before = view.find(limit=1, before=before)
        sha256s += [record.sha256 for record in page]
        assert page  # a page that begins has something
    return sha256s


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=3), st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_scores_know_their_logits_up_to_a_constant(logits: list[float], shift: list[float]) -> None:
    def softmax(values: np.ndarray) -> dict[str, float]:
        raised = np.exp(values - values.max())
        return dict(zip("abc", (raised / raised.sum()).tolist(), strict=True))

    raw = softmax(np.array(logits))
    near(moved(raw, dict(zip("abc", shift, strict=True))), softmax(np.array(logits) + shift))
    assert moved({"a": 0.0, "b": 1.0}, {"a": 9.0}) == {"a": 0.0, "b": 1.0}


@pytest.mark.parametrize("options", [{}, {"emotions": ["sad", "neutral"]}, {"speech_only": True}])
@pytest.mark.parametrize("expect", [None, {"neutral": 0.8}])
def test_they_are_those_of_recognising_with_it(
    archive: Archive, model: Recognizer, speech: np.ndarray, tmp_path: Path, options: Any, expect: Any
) -> None:
    own = baseline(model.metadata, mean=0.2)
    own.write(tmp_path / "line3.json")
    values = [*sounds(speech), np.zeros(RATE, np.float32)]
    raw = filled(archive, model, values, **options)
    view = View.of(archive, Filter(), str(tmp_path / "line3.json"), expect=expect)
    assert view.relative_to == "line3"
    records = by_sha256(view)
    for value, plain in zip(values, raw, strict=True):
        result = model.recognize((value, RATE), segments=True, baseline=own, expect=expect, **options)
        record = records[plain.recording.sha256]
        rows, relative_to = view.segments(record)
        assert (record.relative_to, relative_to) == ("line3", "line3")
        assert record.raw is not None
        near(record.to_dict()["scores_without"], plain_scores(plain))
        same(record, rows, result)
    stored = next(archive.all())
    assert (stored.relative_to, stored.baseline) == ("raw", None)


def test_as_each_was_recognised(archive: Archive, model: Recognizer, speech: np.ndarray) -> None:
    pause = np.zeros(RATE, np.float32)
    many = np.concatenate([part for value in sounds(speech) * 3 for part in (value, pause)])
    own = baseline(model.metadata, mean=0.2)
    results = [
        *filled(archive, model, sounds(speech)[:1]),
        *filled(archive, model, sounds(speech)[1:2], baseline=own, expect={"neutral": 0.8}),
        *filled(archive, model, [many], baseline="self"),
    ]
    assert results[2].baseline is not None
    view = View.of(archive, Filter(), "recognized")
    records = by_sha256(view)
    for result, name in zip(results, ["raw", "line3", "self"], strict=True):
        record = records[result.recording.sha256]
        rows, relative_to = view.segments(record)
        same(record, rows, result)
        assert (record.baseline, relative_to) == (result.baseline, name)
    assert records[results[2].recording.sha256].relative_to == "raw"  # it is always average for itself
    raw = {record.sha256: record for record in archive.all()}[results[1].recording.sha256]
    assert raw.scores == {name: (results[1].scores_without or {})[name] for name in NAMES}
    assert [item.name for item in archive.all(Filter(baseline="line3"))] == [results[1].recording.name]


def test_several_classes_of_one_emotion(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech: np.ndarray
) -> None:
    model = loaded(tmp_path, monkeypatch, CALLS)
    own = baseline(model.metadata, mean=0.2)
    own.write(tmp_path / "line3.json")
    [plain] = filled(archive, model, sounds(speech)[:1])
    result = model.recognize((sounds(speech)[0], RATE), baseline=own)
    view = View.of(archive, Filter(), str(tmp_path / "line3.json"))
    [record] = view.records()
    same(record, [], result)
    assert record.readouts["emotion"].label == result.readouts["emotion"].label
    near(record.readouts["emotion"].scores, result.readouts["emotion"].scores)
    assert view.stats().readouts["emotion"].by_label == {result.readouts["emotion"].label: 1}
    assert plain.segments
    with pytest.raises(ArchiveError, match="segments of this model can't be moved"):
        view.segments(record)
    for word in ("emotion=furious", "furious>0.5", "emotion.furious>0.5", "emotion.confidence>0.5"):
        with pytest.raises(FilterError, match="only the nine emotions can be compared"):
            View.of(archive, Filter.parse([word]), str(tmp_path / "line3.json"))


def test_relative_to_all_of_them_and_to_each_speaker(
    archive: Archive, model: Recognizer, speech: np.ndarray
) -> None:
    values = sounds(speech)
    results = filled(archive, model, values)
    sha256s = [item.recording.sha256 for item in results]
    rows = np.stack([item.embedding[0] for item in results if item.embedding is not None])
    rows = rows.astype(np.float16).astype(np.float32)
    whole, *_ = fit("all", rows, model.metadata, sha256s=sha256s)
    view = View.of(archive, Filter(), "corpus")
    assert view.relative_to == "corpus"
    for value, sha256 in zip(values, sha256s, strict=True):
        same(by_sha256(view)[sha256], [], model.recognize((value, RATE), baseline=whole))
    with pytest.raises(ArchiveError, match="no recording has a tag like speaker:NAME"):
        View.of(archive, Filter(), "speaker")
    for sha256 in sha256s[:2]:
        archive.tag(sha256, "speaker:anna")
    speakers = View.of(archive, Filter(), "speaker")
    assert speakers.relative_to == "speaker"
    items = by_sha256(speakers)
    assert [items[sha256].relative_to for sha256 in sha256s] == [*["speaker anna"] * 2, "corpus", "corpus"]
    groups: dict[str, Baseline] = {
        item.group.value: item
        for item in fit("all", rows, model.metadata, sha256s=sha256s, groups=["anna", "anna", "", ""])
        if item.group is not None
    }
    same(items[sha256s[0]], [], model.recognize((values[0], RATE), baseline=groups["anna"]))
    same(items[sha256s[2]], [], model.recognize((values[2], RATE), baseline=whole))


def test_filters_mean_the_relative_scores(
    archive: Archive, model: Recognizer, speech: np.ndarray, tmp_path: Path
) -> None:
    own = baseline(model.metadata, mean=0.2)
    path = tmp_path / "line3.json"
    own.write(path)
    filled(archive, model, sounds(speech))
    every = {record.sha256: record for record in View.of(archive, Filter(), str(path)).records()}
    bound = sorted((record.scores or {})["neutral"] for record in every.values())[1]
    holds: dict[str, Callable[[ArchiveRecord], bool]] = {
        f"neutral>{bound}": lambda record: (record.scores or {})["neutral"] > bound,
        f"neutral<={bound}": lambda record: (record.scores or {})["neutral"] <= bound,
        "confidence>=0.4": lambda record: (record.confidence or 0) >= 0.4,
        "emotion=neutral": lambda record: record.emotion == "neutral",
    }
    for word, condition in holds.items():
        view = View.of(archive, Filter.parse([word]), str(path))
        expected = {sha256 for sha256, record in every.items() if condition(record)}
        assert by_sha256(view).keys() == expected, word
        assert sha256s_of_pages(view) == [record.sha256 for record in view.records()]
        with pytest.raises(FilterError, match="statistics can't be filtered by emotions"):
            view.stats()
    every_page = sha256s_of_pages(View.of(archive, Filter(), str(path)))
    assert every_page == [record.sha256 for record in archive.all()]
    totals = View.of(archive, Filter(), str(path)).stats()
    assert totals.relative_to == "line3"
    assert sum(totals.by_emotion.values()) == totals.recognitions == 4
    assert totals.by_emotion == {
        name: sum(record.emotion == name for record in every.values())
        for name in sorted({str(record.emotion) for record in every.values()})
    }


def test_what_cant_be_relative(archive: Archive, model: Recognizer, speech: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "line3.json"
    baseline(model.metadata, mean=0.2).write(path)
    with pytest.raises(ArchiveError, match="nothing in the archive is selected"):
        View.of(archive, Filter(), str(path))
    [result] = filled(archive, model, sounds(speech)[:1])
    with pytest.raises(OptionsError, match="choose recognized here"):
        View.of(archive, Filter(), "self")
    with pytest.raises(OptionsError, match="those that were said when recognising"):
        View.of(archive, Filter(), "recognized", expect={"neutral": 0.8})
    with pytest.raises(BaselineError, match="no baseline 'nobody'"):
        View.of(archive, Filter(), "nobody")
    record = from_recognition(result)
    archive.add_records([replace(record, id="0" * 64, revision="0.9"), replace(record, id="1" * 64, emotions={})])
    with pytest.raises(ArchiveError, match="the labels of tiny were taken for different emotions"):
        View.of(archive, Filter(revision="1"), "corpus")
    with pytest.raises(
        ArchiveError, match=r"of several models, tiny 0\.9, tiny 1: .* choose model=tiny and revision=1"
    ):
        View.of(archive, Filter(), "corpus")
    with pytest.raises(ArchiveError, match=r"recognised by tiny 0\.9, not tiny 1: choose those of model=tiny"):
        View.of(archive, Filter(revision="0.9"), str(path))
    archive.delete([record.sha256])
    archive.add_records([replace(record, emotions={"angry": "sad"})])
    with pytest.raises(ArchiveError, match="were taken for other emotions than now"):
        View.of(archive, Filter(), str(path))
