"""Evaluations relative to a baseline, and to the list itself."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit
from emovox.errors import BaselineError, LabelsError, OptionsError
from emovox.evaluation.evaluation import Evaluation, evaluate
from emovox.evaluation.report import evaluation_report
from emovox.evaluation.tables import clips_table
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from support import heads, tiny
from support.baselines import with_reference

NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    return Recognizer(tiny.write(path, readouts=(NINE, tiny.MOODS, tiny.DIMENSIONS)))


@pytest.fixture(scope="module")
def rows(examples: list[Path]) -> list[Labelled]:
    words = ["angry", "happy", "neutral", "sad", "angry", "laughter", "happy"]
    speakers = ["anna", "ben", "anna", "ben", "", "anna", "ben"]
    return [
        Labelled(path, word, path.name, {"speaker": speaker})
        for path, word, speaker in zip(examples, words, speakers, strict=True)
    ]


def evaluated(rows: list[Labelled], model: Recognizer, **options: Any) -> Evaluation:
    return evaluate(rows, model, source=Path("list.csv"), labels_map={"laughter": ""}, **options)


def fitted(model: Recognizer, rows: list[Labelled]) -> Baseline:
    results = [model.recognize(row.path, embedding=True, speech_only=True) for row in rows]
    return fit("line3", [item.embedding[0] for item in results if item.embedding is not None], model.metadata)[0]


def test_relative_to_itself_is_relative_to_what_was_fitted_to_it(model: Recognizer, rows: list[Labelled]) -> None:
    """And that is all of the list: what is left out by its label, too."""
    plain = evaluated(rows, model)
    corpus = evaluated(rows, model, baseline="corpus")
    own = evaluated(rows, model, baseline=fitted(model, rows))
    np.testing.assert_array_equal(corpus.scores, own.scores)
    assert corpus.without is not None
    np.testing.assert_array_equal(corpus.without.scores, plain.scores)
    assert not np.array_equal(corpus.scores, plain.scores)
    assert corpus.without.intervals == plain.intervals
    assert (len(corpus.rows), corpus.left_out) == (6, {"laughter": 1})
    assert corpus.relative is not None
    assert own.relative is not None
    assert (corpus.relative.name, corpus.relative.count, own.relative.name) == ("corpus", 7, "line3")
    assert {**corpus.to_dict(), "baseline": 0} == {**own.to_dict(), "baseline": 0}
    assert {key: value for key, value in corpus.to_dict().items() if key in {"baseline", "without"}} == {
        "baseline": corpus.relative.to_dict(),
        "without": corpus.to_dict()["without"],
    }
    assert {"baseline", "without"}.isdisjoint(plain.to_dict())
    assert corpus.to_dict()["without"]["unweighted"] == plain.to_dict()["unweighted"]


def test_labels_and_order_change_nothing(model: Recognizer, rows: list[Labelled]) -> None:
    words = [row.label for row in rows]
    others = [replace(row, label=word) for row, word in zip(rows, ["sad", "sad", *words[:5]], strict=True)]
    one = evaluated(rows, model, baseline="speaker", competing="all")
    two = evaluated(others[::-1], model, baseline="speaker", competing="all")
    scores = {row.name: scores.tolist() for row, scores in zip(two.rows, two.scores, strict=True)}
    common = [row.name for row in one.rows if row.name in scores]
    assert len(common) >= 5
    for row, mine in zip(one.rows, one.scores, strict=True):
        if row.name in scores:
            assert mine.tolist() == scores[row.name]
    assert one.relative is not None
    assert one.relative.speakers == 2


def test_each_recording_has_both_scores(model: Recognizer, rows: list[Labelled]) -> None:
    corpus = evaluated(rows, model, baseline="corpus", expect={"neutral": 0.2})
    lines = list(csv.DictReader(io.StringIO(clips_table(corpus))))
    assert corpus.without is not None
    for line, scores, raw in zip(lines, corpus.scores, corpus.without.scores, strict=True):
        assert float(line["confidence"]) == pytest.approx(scores.max(), abs=1e-6)
        assert float(line["confidence_without"]) == pytest.approx(raw.max(), abs=1e-6)
        assert float(line["sad_without"]) == pytest.approx(raw[corpus.names.index("sad")], abs=1e-6)
        assert line["prediction_without"] == corpus.names[int(raw.argmax())]
    assert lines[0]["speaker"] == "anna"
    failed = replace(corpus, rows=corpus.rows[:-1], failed=corpus.rows[-1:], failures=[("zz", "silence")])
    failed = replace(failed, scores=corpus.scores[:-1], without=replace(corpus.without, scores=corpus.scores[:-1]))
    assert list(csv.DictReader(io.StringIO(clips_table(failed))))[-1]["speaker"] == "ben"


def test_the_report_says_what_it_is_relative_to(model: Recognizer, rows: list[Labelled]) -> None:
    page = evaluation_report(evaluated(rows, model, baseline="corpus", expect={"neutral": 0.2}), "list").html()
    assert "Relative to the corpus: all recordings of this list that have speech (7)" in page
    assert "without their labels" in page
    assert "neutral 0.2" in page
    assert "Without the baseline: expected calibration error" in page


def test_what_is_not_moved_is_refused(model: Recognizer, rows: list[Labelled]) -> None:
    with pytest.raises(OptionsError, match="self: it leaves the verdict"):
        evaluated(rows, model, baseline="self")
    moods = tiny.classes("angry", "happy", "sad", "neutral", name="words")
    with pytest.raises(BaselineError, match="words isn't moved"):
        evaluated(rows, model, baseline="corpus", readout=moods)
    with pytest.raises(BaselineError, match="a trained head isn't moved"):
        evaluated(rows, model, baseline="corpus", head=heads.head(model.metadata))
    agents = [replace(row, groups={"agent": "anna"}) for row in rows]
    with pytest.raises(LabelsError, match=r"no column 'speaker', which .* needs; others than .* label: agent"):
        evaluated(agents, model, baseline="speaker")
