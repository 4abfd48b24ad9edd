"""The table of accuracy: what is measured of a corpus, cells, and that the pages show what was measured."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import models, pages
from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy.cells import measure
from benchmarks.accuracy.corpora import Corpus, read_emobox, read_lists, sample
from benchmarks.accuracy.left_out import left_out
from benchmarks.accuracy.tables import NAME, figure, tables
from emovox.errors import LabelsError
from emovox.evaluation.evaluation import evaluate
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from emovox.models.named import CATALOG
from support import tiny
from support.baselines import with_reference

ROOT = Path(__file__).parents[2]
NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)
WORDS = ["angry", "happy", "neutral", "sad", "angry", "happy"]


def model(path: Path, **changes: Any) -> Recognizer:
    return Recognizer(tiny.write(path / "tiny.onnx", **{"readouts": (NINE,), **changes}))


def lay(folder: Path, examples: list[Path], name: str, labels: list[str], speakers: list[str]) -> Path:
    """A corpus as a list beside its clips."""
    (folder / name).mkdir(parents=True)
    lines = ["path\tlabel\tspeaker"]
    for example, label, speaker in zip(examples, labels, speakers, strict=False):
        shutil.copyfile(example, folder / name / example.name)
        lines.append(f"{name}/{example.name}\t{label}\t{speaker}")
    (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    lay(folder, examples, "theirs", WORDS, ["anna", "ben"] * 3)
    return lay(folder, examples, "fsdd", ["neutral"] * 4, ["fsdd_unknownuser"] * 4)


def rows(*speakers: str) -> list[Labelled]:
    return [
        Labelled(Path(f"{number}.wav"), "sad", f"{number}.wav", {"speaker": speaker})
        for number, speaker in enumerate(speakers)
    ]


def test_a_sample_takes_of_each_speaker_as_many_as_can_be() -> None:
    every = rows(*["anna"] * 50, *["ben"] * 50, *["carl"] * 2)
    chosen = sample(every, 22, 0)
    assert Counter(row.groups["speaker"] for row in chosen) == {"anna": 10, "ben": 10, "carl": 2}
    assert [int(row.path.stem) for row in chosen] == sorted(int(row.path.stem) for row in chosen)
    assert sample(every, 22, 0) == chosen != sample(every, 22, 1)
    assert sample(every, 0, 0) == sample(every, len(every), 0) == every


def test_who_may_be_anybody_is_left_out_where_others_are_known(tmp_path: Path, examples: list[Path]) -> None:
    lay(tmp_path, examples, "some", WORDS, ["anna", "x_unknownuser", "ben", "", "anna", "ben"])
    lay(tmp_path, examples, "none", WORDS, ["x_unknownuser"] * 6)
    none, some = read_lists(tmp_path, 0, 0)
    assert (some.speakers, len(some.rows), some.unknown_speakers, some.seed) == (2, 4, 2, None)
    assert (none.speakers, len(none.rows), none.unknown_speakers) == (None, 6, 0)


def test_labels_that_training_leaves_out_are_left_out_here_too(tmp_path: Path, examples: list[Path]) -> None:
    lay(tmp_path, examples, "emogator", ["angry", "other", "happy", "other", "sad", "angry"], ["a", "b"] * 3)
    (corpus,) = read_lists(tmp_path, 0, 0)
    assert [row.label for row in corpus.rows] == ["angry", "happy", "sad", "angry"]


def test_a_cell_is_what_evaluate_says(tmp_path: Path, corpora: Path) -> None:
    recognizer = model(tmp_path)
    _, corpus = read_lists(corpora, 0, 0)
    cell = measure(corpus, recognizer)
    for name, baseline in (("none", None), ("corpus", "corpus"), ("speaker", "speaker")):
        own = evaluate(corpus.rows, recognizer, source=corpora, baseline=baseline)  # type: ignore[arg-type]
        assert cell["figures"][name]["unweighted"] == round(own.measures.unweighted, 4)
        assert cell["figures"][name]["interval"] == list(own.intervals["unweighted"])
    assert (cell["clips"], cell["speakers"], cell["drawn_by"]) == (6, 2, "speaker")
    assert cell["milliseconds"] > 0


def test_each_recording_is_inferred_once(tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer, calls = model(tmp_path), Counter[Path]()
    together = recognizer.recognize_together

    def counted(requests: Any) -> Any:
        calls.update(request.recording for request in requests)
        return together(requests)

    monkeypatch.setattr(recognizer, "recognize_together", counted)
    _, corpus = read_lists(corpora, 0, 0)
    measure(corpus, recognizer)
    assert calls == dict.fromkeys((row.path for row in corpus.rows), 1)


@pytest.mark.parametrize(
    ("trained", "seen"), [((), "not stated"), (("nemo",), "no"), (("Theirs",), "yes"), (("EmoBox",), "no")]
)
def test_it_says_whether_the_model_was_trained_on_it(
    tmp_path: Path, corpora: Path, trained: tuple[str, ...], seen: str
) -> None:
    _, corpus = read_lists(corpora, 0, 0)
    cell = measure(corpus, model(tmp_path, corpora=trained))
    assert cell["seen"] == seen
    assert bool(cell["doubts"]) == (seen == "yes")


def test_who_was_trained_on_emobox_has_seen_its_corpora(tmp_path: Path, examples: list[Path]) -> None:
    lay(tmp_path, examples, "savee", WORDS, ["a", "b"] * 3)
    (corpus,) = read_lists(tmp_path, 0, 0)
    assert measure(corpus, model(tmp_path, corpora=("EmoBox",)))["seen"] == "yes"


def test_of_one_class_the_shares_of_all(tmp_path: Path, corpora: Path) -> None:
    corpus, _ = read_lists(corpora, 0, 0)
    cell = measure(corpus, model(tmp_path))
    assert "figures" not in cell
    assert (cell["classes"], cell["clips"], cell["speakers"], cell["drawn_by"]) == (["neutral"], 4, None, None)
    assert sum(cell["taken_for"].values()) == pytest.approx(1)


def test_a_model_that_no_baseline_moves_has_figures_without(tmp_path: Path, corpora: Path) -> None:
    recognizer = model(tmp_path, readouts=(tiny.classes("angry", "happy", "sad", kind="pooled"),))
    _, corpus = read_lists(corpora, 0, 0)
    cell = measure(corpus, recognizer)
    assert list(cell["figures"]) == ["none"]
    assert cell["left_out"] == {"neutral": 1}


def test_folds_of_emobox(tmp_path: Path, examples: list[Path]) -> None:
    names = ["03a01Wa", "08a01Fa", "08a02Na", "03a02Wa", "03a04Fa", "08a04Na"]
    wavs = tmp_path / "downloads/emodb/wav"
    wavs.mkdir(parents=True)
    for fold in (1, 2):
        split = tmp_path / f"data/emodb/fold_{fold}/emodb_test_fold_{fold}.jsonl"
        split.parent.mkdir(parents=True)
        lines = []
        for name, example in zip(names[fold - 1 :: 2], examples[fold - 1 :: 2], strict=False):
            path = wavs / f"{name}{example.suffix}"
            shutil.copyfile(example, path)
            label = {"W": "anger", "F": "happiness", "N": "neutral"}[name[5]]
            wav = path.relative_to(tmp_path).as_posix()
            lines.append(json.dumps({"wav": wav, "emo": label, "dataset": "emodb"}))
        split.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (corpus,) = read_emobox(tmp_path / "data", 0, 0)
    assert corpus.name == "EmoBox/emodb"
    cell = measure(corpus, model(tmp_path, corpora=("EmoBox",)))
    own = evaluate(corpus.rows, model(tmp_path), source=tmp_path)
    folds = [fold.unweighted for fold in own.groups["fold"].values()]
    assert len(folds) == 2
    assert cell["figures"]["none"]["mean_of_folds"] == round(sum(folds) / 2, 4)
    assert cell["seen"] == "yes"
    (line,) = (line for line in tables(facts_of(cell), "en").splitlines() if line.startswith("| emodb | tiny 1"))
    assert line.endswith(" | 2 / 2 |")
    (one,) = read_emobox(tmp_path / "data/emodb/fold_1", 0, 0)
    assert tables(facts_of(measure(one, model(tmp_path))), "en").count(" | – | ") == 1
    assert "| one fold |" in tables(facts_of(measure(one, model(tmp_path))), "en")


def facts_of(*cells: dict[str, Any]) -> dict[str, Any]:
    versions = {"emovox": "0", "engine": "none", "python": "3", "machine": "none"}
    return {"cells": {str(number): cell for number, cell in enumerate(cells)}, "refused": {}, "versions": versions}


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.write(tmp_path / "tiny.onnx", readouts=(NINE,))
    figures = tmp_path / "accuracy.json"
    lists = list(read_lists(corpora, 0, 0))
    command.measure_model(str(path), lists, figures)
    first = json.loads(figures.read_bytes())
    assert set(first["cells"]) == {"tiny 1, fsdd", "tiny 1, theirs"}
    measured: list[str] = []

    def noted(corpus: Corpus, recognizer: Recognizer) -> dict[str, Any]:
        measured.append(corpus.name)
        return measure(corpus, recognizer)

    monkeypatch.setattr(command, "measure", noted)
    command.measure_model(str(path), lists, figures)
    assert measured == []
    assert json.loads(figures.read_bytes()) == first
    one, other = lists
    command.measure_model(str(path), [one, replace(other, rows=other.rows[:4])], figures)
    assert measured == ["theirs"]


def test_a_model_that_cannot_be_compared_is_told(tmp_path: Path, corpora: Path) -> None:
    path = tiny.write(tmp_path / "tiny.onnx", readouts=(tiny.DIMENSIONS,))
    figures = tmp_path / "accuracy.json"
    command.measure_model(str(path), list(read_lists(corpora, 0, 0)), figures)
    facts = json.loads(figures.read_bytes())
    assert facts["cells"] == {}
    assert "values" in facts["refused"]["tiny 1, theirs"]
    refused = {"tiny 1, emodb": "values alone", "tiny 1, nemo": "values alone", "tiny 1, x": "no list"}
    text = tables({**facts_of(measured_elsewhere()), "refused": refused}, "en")
    assert text.endswith("\n\n- tiny 1 (EmoDB, nEMO): values alone\n- tiny 1 (x): no list")


def measured_elsewhere() -> dict[str, Any]:
    """A cell of a corpus of one class, as the command keeps it."""
    cells = json.loads(command.FIGURES.read_bytes())["cells"].values()
    cell: dict[str, Any] = next(cell for cell in cells if "taken_for" in cell)
    return cell


def test_what_is_not_there_is_no_zero(tmp_path: Path, examples: list[Path]) -> None:
    """Of EmoBox the lists come alone: what nobody fetched isn't measured, and half a corpus is refused."""
    lay(tmp_path, examples, "half", WORDS, ["a", "b"] * 3)
    (tmp_path / "half" / examples[0].name).unlink()
    (corpus,) = read_lists(tmp_path, 0, 0)
    with pytest.raises(LabelsError, match="1 recording not found"):
        measure(corpus, model(tmp_path))
    split = tmp_path / "data/savee/fold_1/savee_test_fold_1.jsonl"
    split.parent.mkdir(parents=True)
    split.write_text(
        '{"wav": "downloads/savee/DC_a01.wav", "emo": "anger", "dataset": "savee"}\n', encoding="utf-8"
    )
    assert list(read_emobox(tmp_path / "data", 0, 0)) == []


def test_figures_of_fits_are_those_of_the_card() -> None:
    card = (ROOT / "docs/models/lite.md").read_text("utf-8")
    for item in left_out():
        for value in (item.speakers, item.whole):
            assert value is None or f"{value:.3f}" in card
    emodb = left_out()[0]
    assert (f"{emodb.speakers:.3f}", f"{emodb.whole:.3f}") == ("0.944", "0.721")


def test_a_seen_corpus_has_the_figures_of_fits_without_it(tmp_path: Path, corpora: Path) -> None:
    _, corpus = read_lists(corpora, 0, 0)
    cell = measure(corpus, model(tmp_path, corpora=("theirs",)))
    lite = {**cell, "corpus": "emodb", "model": {**cell["model"], "name": "lite"}}
    text = tables(facts_of(cell, lite, {**lite, "seen": "no"}), "en")
    lines = [line for line in text.splitlines() if " 1 | **yes** (" in line or " 1 | no |" in line]
    trained = sorted(" | ".join(line.split(" | ")[:3]) for line in lines)
    assert trained == [
        "| EmoDB | lite 1 | **yes** (0.944; 0.721)",
        "| EmoDB | lite 1 | no",
        "| theirs | tiny 1 | **yes** (none was fitted)",
    ]


@pytest.mark.parametrize(("language", "suffix"), pages.LANGUAGES.items())
def test_the_page_shows_what_was_measured(language: str, suffix: str) -> None:
    """If not: python -m benchmarks.accuracy writes it."""
    facts = json.loads(command.FIGURES.read_bytes())
    assert pages.table_of(ROOT / "docs" / f"accuracy{suffix}", NAME) == tables(facts, language)


@pytest.mark.parametrize(("language", "suffix"), pages.LANGUAGES.items())
def test_the_page_of_models_shows_the_catalog(language: str, suffix: str) -> None:
    """If not: python -m benchmarks.models writes it."""
    facts = json.loads(command.FIGURES.read_bytes())
    shown = pages.table_of(ROOT / "docs" / f"models{suffix}", models.NAME)
    assert shown == models.table(facts, language)
    rows = [line.split(" | ")[0].removeprefix("| ") for line in shown.splitlines()[2:] if line.startswith("| ")]
    assert set(rows) == {entry.name for entry in CATALOG} | {"lite-free"}


def test_every_model_of_the_catalog_is_measured_or_said_not_to_be() -> None:
    text = tables(json.loads(command.FIGURES.read_bytes()), "en")
    measured, _, rest = text.partition("### Not measured here")
    for entry in CATALOG:
        assert (f"| {entry.name} " in measured) != (f"`emovox models pull {entry.name}`" in rest)


def test_figure() -> None:
    assert figure(0.5, [0.25, 0.75]) == "0.500 (0.250–0.750)"


def test_what_stands_around_a_table_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n\n<!-- x: by hand -->\n\nold\n\n<!-- end of x -->\n\nb\n", encoding="utf-8")
    pages.write(page, "x", "new")
    assert pages.table_of(page, "x") == "new"
    assert page.read_text("utf-8") == "a\n\n<!-- x: by hand -->\n\nnew\n\n<!-- end of x -->\n\nb\n"
    with pytest.raises(ValueError, match="no markers of 'y'"):
        pages.write(page, "y", "new")
