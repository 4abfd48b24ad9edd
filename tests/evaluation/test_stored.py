"""An evaluation of scores that are there already."""

from dataclasses import replace
from pathlib import Path

import pytest

from emovox.emotions import NAMES
from emovox.errors import LabelsError
from emovox.evaluation.stored import evaluate_stored
from emovox.labels.label_list import Labelled
from support import results

MODEL = results.recognition().model
SOURCE = Path("list.csv")


def row(name: str, label: str) -> Labelled:
    return Labelled(Path(name), label, name)


def scores(**given: float) -> dict[str, float]:
    return {**dict.fromkeys(NAMES, 0.001), **given}


ROWS = [row("a", "anger"), row("b", "anger"), row("c", "sadness"), row("d", "laughter")]
SCORES = [scores(angry=0.8), scores(sad=0.6, neutral=0.39), scores(sad=0.3, neutral=0.6), scores(happy=0.9)]


def test_classes_of_the_labels_compete() -> None:
    evaluation = evaluate_stored(ROWS, SCORES, MODEL, source=SOURCE, labels_map={"laughter": ""})
    assert evaluation.classes == ("angry", "sad")
    assert evaluation.left_out == {"laughter": 1}
    assert evaluation.measures.recalls == {"angry": 0.5, "sad": 1.0}  # neutral doesn't compete with sad
    assert evaluation.scores.sum(axis=1) == pytest.approx(1)
    assert evaluation.to_dict()["model"]["name"] == "tiny"


def test_all_classes_compete() -> None:
    evaluation = evaluate_stored(
        ROWS, SCORES, MODEL, source=SOURCE, labels_map={"laughter": "happy"}, competing="all"
    )
    assert evaluation.measures.recalls == {"angry": 0.5, "happy": 1.0, "sad": 0.0}


def test_a_class_that_never_scores_is_none_of_the_model_s() -> None:
    given = [{**one, "sad": 0.0} for one in SCORES]
    evaluation = evaluate_stored(ROWS, given, MODEL, source=SOURCE, labels_map={"laughter": "happy"})
    assert (evaluation.classes, evaluation.left_out) == (("angry", "happy"), {"sadness": 1})


def test_nothing_to_compare() -> None:
    with pytest.raises(LabelsError, match="none of its recordings is stored"):
        evaluate_stored([], [], MODEL, source=SOURCE)
    with pytest.raises(LabelsError, match="only one class"):
        evaluate_stored(ROWS[:2], SCORES[:2], MODEL, source=SOURCE)


def test_what_is_compared_has_a_name() -> None:
    stretches = [replace(item, name=f"{item.name}#t=1,2", span=(1, 2)) for item in ROWS]
    for rows, nouns, count in ((ROWS, "recordings", 0), (stretches, "stretches", 3)):
        evaluation = evaluate_stored(rows, SCORES, MODEL, source=SOURCE, labels_map={"laughter": ""})
        assert (evaluation.nouns, evaluation.stretches) == (nouns, count)
        assert evaluation.drawn == f"2000 bootstrap draws of single {nouns}"
        assert evaluation.to_dict()["stretches"] == count
    both = evaluate_stored([*ROWS[:2], *stretches[2:]], SCORES, MODEL, source=SOURCE, labels_map={"laughter": ""})
    assert (both.noun, both.nouns, both.stretches) == ("example", "examples", 1)
