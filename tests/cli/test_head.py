import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emovox.inference.recognition import Recognition, json_schema
from emovox.inference.recognizer import Recognizer
from emovox.models import head as heads
from emovox.models.head import Head
from support import poison
from support.heads import head

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    lines = ["path,label,speaker"]
    for number in range(24):
        values = 3 * (number % 2) + random.standard_normal((1, 384))
        np.save(tmp_path / f"{number}.npy", values.astype(np.float32))
        lines.append(f"{number}.npy,{('complaint', 'praise')[number % 2]},{'abc'[number // 8]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "labels.csv"


def test_from_a_list_to_a_verdict(run: Run, labels: Path, examples: list[Path], tmp_path: Path) -> None:
    code, out, err = run("head", "train", labels, "--name", "calls", "--model", "lite")
    assert code == 0, err
    assert "held out by speaker (3)" in out
    assert "complaint" in out
    assert heads.head_path("calls").is_file()
    assert heads.head_path("calls").with_suffix(".html").read_text().startswith("<!doctype html>")
    assert run("head", "list")[1].splitlines()[1].split()[0] == "calls"
    listed = json.loads(run("head", "list", "--format", "json")[1])
    assert [item["classes"] for item in listed] == [["complaint", "praise"]]
    assert "weights" not in listed[0]
    assert "recordings" not in listed[0]["training"]
    assert "praise" in run("head", "show", "calls")[1]

    code, out, _ = run("recognize", examples[0], "--head", "calls", "--model", "lite", "--segments")
    assert code == 0
    assert "  calls" in out
    [place] = (tmp_path / "here" / "outputs").glob("outputs_*")
    result = json.loads((place / "result.json").read_text())
    assert set(result["readouts"]["calls"]["scores"]) == {"complaint", "praise"}
    assert result["segments"][0]["readouts"]["calls"]["label"] in ("complaint", "praise")

    code, out, _ = run("head", "export", "calls", tmp_path / "given.json")
    assert code == 0
    assert run("head", "remove", "calls", "--yes")[0] == 0
    assert heads.names() == []
    assert not heads.head_path("calls").with_suffix(".html").exists()
    assert "nothing to remove" in run("head", "remove", "calls")[1]
    code, out, _ = run(
        "recognize", examples[0], "--head", tmp_path / "given.json", "--model", "lite", "--no-save", "-q"
    )
    assert "  calls" in out
    code, _, err = run("recognize", examples[0], "--head", "calls", "--model", "lite")
    assert code == 1
    assert "Error: no head 'calls': train it with" in err


def test_stretches_are_not_called_recordings(run: Run, examples: list[Path], tmp_path: Path) -> None:
    shutil.copy(next((examples[0].parent / "scene").glob("*.flac")), tmp_path / "scene.flac")
    lines = ((0, 2.4, "a"), (2.9, 4.9, "a"), (5.4, 8.6, "b"), (9.2, 10.9, "b"))
    (tmp_path / "scene.txt").write_text("".join(f"{start}\t{end}\t{label}\n" for start, end, label in lines))
    options = ("--model", "lite", "--method", "prototypes")
    code, out, err = run("head", "train", tmp_path / "scene.txt", "--name", "scene", *options)
    assert code == 0, err
    assert "held out one by one" in out
    assert re.search(r"a +2 stretches ", out)
    report = " ".join(heads.head_path("scene").with_suffix(".html").read_text().split())
    assert "one by one. The speakers" in report
    assert "2 classes from 4 stretches" in report
    assert "recording" not in report
    assert re.search(r"a +2 stretches ", run("head", "show", "scene")[1])


def test_a_head_of_that_name_is_not_lost(run: Run, labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        run("head", "train", labels, "--name", "calls", "--model", "lite", "--method", "prototypes", "-q")[0] == 0
    )
    before = heads.head_path("calls").read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("head", "train", labels, "--name", "calls", "--model", "lite", "-q")[0] == 130
    assert heads.head_path("calls").read_bytes() == before
    code, out, _ = run(
        "head", "train", labels, "--name", "calls", "--model", "lite", "--yes", "--quiet", "--report", "r.html"
    )
    assert (code, out) == (0, "")
    assert Path("r.html").is_file()
    heads.head_path("damaged").write_text("{}")
    code, out, err = run("head", "list")
    assert (code, len(out.splitlines())) == (1, 2)
    assert "calls" in out
    assert "damaged.json: not a head of Emovox" in err


def test_bad_recordings_are_named_and_the_rest_is_learnt(run: Run, labels: Path) -> None:
    (labels.parent / "broken.npy").write_bytes(b"x")
    labels.write_text(labels.read_text() + "\nbroken.npy,praise,a\n")
    code, _, err = run("head", "train", labels, "--name", "calls", "--model", "lite", "--method", "prototypes")
    assert code == 1
    assert "Error: broken.npy: not an embedding" in err
    assert Head.find("calls").training.clips == {"complaint": 12, "praise": 12}


def test_all_forms_of_a_result_have_it(
    run: Run, recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    own = head(recognizer.metadata, ("laut, sehr", "leise"))
    own.write(tmp_path / "h.json")
    options = ("--head", tmp_path / "h.json", "--model", "lite", "-q")
    _, out, _ = run("recognize", examples[0], *options, "--no-save", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(out))
    expected = recognizer.recognize(examples[0], head=own).readouts["calls"]
    assert (row["calls.label"], row["calls.confidence"]) == (expected.label, f"{expected.confidence:.6f}")
    code, _, err = run(
        "recognize", examples[0], *options, "--granularity", "frame", "--export", "csv,srt,textgrid,parquet"
    )
    assert code == 0, err
    [place] = (tmp_path / "here" / "outputs").glob("outputs_*")
    text = (place / "result.json").read_text()
    jsonschema.validate(json.loads(text), json_schema())
    assert Recognition.from_json(text).to_json() == text
    segments = list(csv.DictReader((place / "segments.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["calls.label"] for row in segments} <= set(own.classes)
    frames = list(csv.DictReader((place / "frames.csv").read_text(encoding="utf-8").splitlines()))
    assert float(frames[0]["calls.laut, sehr"]) + float(frames[0]["calls.leise"]) == pytest.approx(1, abs=1e-5)
    assert '"calls.label"' in (place / "segments.TextGrid").read_text(encoding="utf-8")
    assert " · l" in (place / "segments.srt").read_text(encoding="utf-8")


def test_another_models_head_is_refused_before_anything_is_recognised(
    run: Run, recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    other = recognizer.metadata.model_copy(update={"revision": "1", "embedding_revision": None})
    head(other).write(tmp_path / "h.json")
    code, _, err = run("recognize", *examples, "--head", tmp_path / "h.json", "--model", "lite")
    assert code == 1
    assert err.count("trained on the model lite 1, not on lite 5.3") == 1


def test_help_has_examples(run: Run) -> None:
    for command in (("head",), ("head", "train"), ("evaluate",)):
        assert "    emovox " in run(*command, "--help")[1] or "  emovox " in run(*command, "--help")[1]


def test_a_recording_that_kills_its_decoder_is_listed(
    run: Run, labels: Path, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (tmp_path / "evil.wav").write_bytes(poison.CRASH)
    labels.write_text(labels.read_text() + f"\nevil.wav,praise,a\n{examples[0]},praise,a")
    train = ["head", "train", labels, "--name", "calls", "--method", "prototypes", "--model", "lite", "-y", "-q"]
    code, _, err = run(*train)
    assert code == 1
    assert err.startswith("Error: evil.wav: decoding it broke the decoder")
    assert Head.find("calls").training.clips == {"complaint": 12, "praise": 13}
    poison.poison(monkeypatch, tmp_path, at_start="os._exit(1)")
    code, out, err = run(*train)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: no decoding process can be started")


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    lines, direction = ["path,act,speaker"], random.standard_normal(384)
    for number in range(24):
        values = number / 4 * direction + 0.1 * random.standard_normal((1, 384))
        np.save(tmp_path / f"r{number}.npy", values.astype(np.float32))
        lines.append(f"r{number}.npy,{1 + number / 4},{'abc'[number % 3]}")
    (tmp_path / "rated.csv").write_text("\n".join(lines))
    return tmp_path / "rated.csv"


def test_from_ratings_to_values(run: Run, rated: Path, examples: list[Path], tmp_path: Path) -> None:
    train = ("head", "train", rated, "--name", "mood", "--model", "lite")
    numbers = ("--values", "arousal", "--label-column", "arousal=act")
    code, out, err = run(*train, *numbers, "--range", "1,7")
    assert code == 0, err
    assert "from 1 to 7" in out
    assert "held out by speaker (3)" in out
    assert re.search(r"CCC +[01]\.\d{3}  \(95 %: [01]\.\d{3} to [01]\.\d{3}\)", out)
    assert heads.head_path("mood").with_suffix(".html").read_text().startswith("<!doctype html>")
    assert re.search(r"mood +CCC (0\.9|1\.0)\d +lite \S+ +arousal", run("head", "list")[1])
    assert "Pearson's r" in run("head", "show", "mood")[1]

    options = ("--head", "mood", "--model", "lite", "-q")
    code, out, err = run("recognize", examples[0], *options, "--segments", "--export", "csv,textgrid")
    assert code == 0, err
    [place] = (tmp_path / "here" / "outputs").glob("outputs_*")
    result = json.loads((place / "result.json").read_text())
    assert result["readouts"]["mood"]["range"] == [1, 7]
    assert set(result["readouts"]["mood"]["values"]) == {"arousal"}
    jsonschema.validate(result, json_schema())
    with (place / "segments.csv").open() as file:
        assert float(next(csv.DictReader(file))["mood.arousal"])
    code, out, err = run("recognize", examples[0], *options, "--no-save", "--format", "csv")
    assert code == 0, err
    [row] = csv.DictReader(io.StringIO(out))
    assert float(row["mood.arousal"]) == pytest.approx(result["readouts"]["mood"]["values"]["arousal"], abs=1e-4)

    rated.write_text(rated.read_text().replace("r0.npy", str(examples[0])).split("\nr1.npy")[0])
    code, out, err = run("evaluate", rated, "--head", "mood", "--label-column", "arousal=act", "--range", "1,7")
    assert code == 0, err
    assert ", mood" in out

    for wrong, said in (
        (numbers, "--values and --range go together"),
        (("--range", "1,7"), "--values and --range go together"),
        ((*numbers, "--range", "7,1"), "the lower one first"),
        ((*numbers, "--range", "1,7", "--method", "logistic"), "--method is of classes"),
    ):
        code, _, err = run(*train, "--yes", *wrong)
        assert code == 2
        assert said in err
