import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emovox.audio.wav import WavWriter
from support import calls, poison, tiny
from support.depths import too_deep

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def manifest(tmp_path: Path, examples: list[Path]) -> Path:
    lines = ["path,label,speaker"]
    for path in examples:
        _, name, emotion = path.stem.split("_")
        (tmp_path / path.name).write_bytes(path.read_bytes())
        lines.append(f"{path.name},{emotion},{name[:2]}")
    (tmp_path / "seven.csv").write_text("\n".join(lines))
    return tmp_path / "seven.csv"


def test_figures_files_and_pictures(run: Run, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.cli.progress.EVERY", 0.0)
    code, out, err = run("evaluate", manifest, "--model", "lite", "--out", "report")
    assert code == 0, err
    assert re.search(r"^6 of 7 done, \d:\d\d left$", err, re.MULTILINE)  # nothing is known of the audio here
    assert "unweighted accuracy  1.000" in out
    facts = json.loads(Path("report/evaluation.json").read_text())
    assert (facts["clips"], facts["unweighted"], facts["model"]["name"]) == (7, 1.0, "lite")
    assert Path("report/report.html").read_text().count("data:image/png") == 3
    rows = list(csv.DictReader(Path("report/clips.csv").read_text().splitlines()))
    assert [row["prediction"] for row in rows] == [row["label"] for row in rows]
    with Image.open("report/confusion.png") as image:
        assert image.width > 300
    code, out, _ = run("evaluate", manifest, "--model", "lite", "--format", "json", "-q")
    assert json.loads(out) == facts


def test_the_table_has_what_the_list_says(run: Run, manifest: Path) -> None:
    head, *lines = manifest.read_text().replace(",angry,", ",Wut,").splitlines()
    lines = [f"{line[:-2]}{'AB'[number % 3 == 0]},=1+1,{number % 2}" for number, line in enumerate(lines)]
    manifest.write_text("\n".join([f"{head},prediction,fold", *lines, "none.wav,难过,A,,0"]))
    code, out, err = run("evaluate", manifest, "--model", "lite", "--out", "report", "--labels", "zh")
    assert code == 1
    assert "95 %: 2000 bootstrap draws of whole groups, by speaker (2)" in out
    assert "Warning: 2 of 2 folds (column fold) share speakers with others" in err
    rows = list(csv.DictReader(Path("report/clips.csv").read_text().splitlines()))
    assert [row["label_in_list"] for row in rows if row["label"] == "angry"] == ["Wut"]
    assert {row["prediction_in_list"] for row in rows} == {"'=1+1", ""}
    assert (rows[-1]["label"], rows[-1]["label_in_list"], rows[-1]["speaker"]) == ("sad", "难过", "A")
    table = {row["label"]: row for row in csv.DictReader(Path("report/confusion.csv").read_text().splitlines())}
    assert (table["angry"]["angry"], table["sad"]["sad"], table["sad"]["not recognised"]) == ("1", "1", "1")
    assert "surprised" not in table["sad"]


def test_a_layout_and_a_missing_file(run: Run, manifest: Path, examples: list[Path]) -> None:
    place = manifest.parent / "EmoDB"
    place.mkdir()
    for path in examples:
        (place / f"{path.stem.split('_')[1]}.flac").write_bytes(path.read_bytes())
    (place / "03a01Wb.wav").write_bytes(b"no sound")
    code, out, err = run("evaluate", place, "--layout", "emodb", "--model", "lite")
    assert code == 1
    assert "Warning: lite was trained on emodb, which these recordings seem to be of" in err
    assert "8 recordings" in out
    assert "angry           2   50.0 %" in out
    assert "Error: 03a01Wb.wav:" in err
    code, _, err = run("evaluate", place)
    assert "give its layout with --layout emodb|" in err


def test_directories_that_can_t_be_read_are_named(run: Run, examples: list[Path], tmp_path: Path) -> None:
    corpus = tmp_path / "wav"
    corpus.mkdir()
    for name, path in zip(("03a01Wa", "08a01Ta"), examples, strict=False):
        shutil.copy(path, corpus / f"{name}{path.suffix}")
    last = too_deep(corpus)
    code, out, err = run("evaluate", corpus, "--layout", "emodb", "--quiet")
    assert (code, out.splitlines()[0].startswith("2 recordings")) == (1, True)
    assert f"Error: {last}: File name too long" in err
    code, _, err = run("evaluate", last)
    assert (code, "File name too long" in err) == (1, True)


def test_labels_map(run: Run, manifest: Path, tmp_path: Path) -> None:
    manifest.write_text(manifest.read_text().replace(",other,", ",langweilig,").replace(",happy,", ",lachend,"))
    code, _, err = run("evaluate", manifest, "--model", "lite")
    assert code == 1
    assert "no class for the labels 'lachend', 'langweilig'" in err
    code, out, err = run("evaluate", manifest, "--model", "lite", "--labels-map", "langweilig=,lachend=happy")
    assert code == 0
    assert "6 recordings" in out
    assert "left out: langweilig (1)" in err
    (tmp_path / "map.json").write_text(json.dumps({"langweilig": "other", "lachend": None}))
    code, out, _ = run("evaluate", manifest, "--model", "lite", "--labels-map", tmp_path / "map.json")
    assert code == 0
    assert "other" in out
    code, _, err = run("evaluate", manifest, "--labels-map", "nonsense")
    assert code == 2
    assert "neither LABEL=CLASS nor a JSON file" in err


def test_a_recording_that_kills_its_decoder_is_listed(
    run: Run, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (tmp_path / "evil.wav").write_bytes(poison.CRASH)
    manifest.write_text(manifest.read_text() + "\nevil.wav,sad,99")
    code, out, err = run("evaluate", manifest, "--model", "lite", "--format", "json", "-q")
    assert code == 1
    assert json.loads(out)["clips"] == 8
    assert err.startswith("Error: evil.wav: decoding it broke the decoder")
    poison.poison(monkeypatch, tmp_path, at_start="os._exit(1)")
    code, out, err = run("evaluate", manifest, "--model", "lite", "-q")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: no decoding process can be started")


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """A list of ratings from 1 to 7, and a model of three values beside it."""
    tiny.write(tmp_path / "values.onnx", readouts=(tiny.DIMENSIONS,))
    lines = ["path,act,Valence,speaker,dimensions.arousal"]
    for number in range(8):
        writer = WavWriter(tmp_path / f"{number}.wav")
        writer.write(
            (0.03 * number + 0.05 + 0.01 * np.random.default_rng(number).standard_normal(8000)).astype("f4")
        )
        writer.close()
        lines.append(f"{number}.wav,{1 + 0.2 * number},{4 + number % 3},{'ab'[number % 2]},=1+1")
    lines.append("none.wav,2,2,a,")
    (tmp_path / "rated.csv").write_text("\n".join(lines))
    return tmp_path / "rated.csv"


def test_values_are_compared_with_ratings(run: Run, rated: Path) -> None:
    model = rated.parent / "values.onnx"
    options = ("--model", model, "--range", "1,7", "--label-column", "arousal=act")
    code, out, err = run("evaluate", rated, *options, "--out", "report", "--labels", "zh")
    assert code == 1
    assert "Error: none.wav: no such file" in err
    assert "without the 1 that could not be recognised" in err
    assert "9 recordings; tiny 1 (fp32), dimensions\nRatings from 1 to 7 were mapped linearly to 0 to 1." in out
    assert "arousal, 8 recordings" in out
    assert "95 %: 2000 bootstrap draws of whole groups, by speaker (2)" in out
    facts = json.loads(Path("report/evaluation.json").read_text())
    assert f"CCC          {facts['values']['arousal']['ccc']:6.3f}  (95 %: " in out
    assert facts["values"]["valence"]["clips"] == 8
    rows = list(csv.DictReader(Path("report/clips.csv").read_text().splitlines()))
    assert (rows[5]["arousal"], rows[5]["arousal_in_list"], rows[5]["valence_in_list"]) == ("0.166667", "2", "6")
    assert 0.1 < float(rows[5]["dimensions.arousal"]) < 0.3
    assert (rows[5]["speaker"], rows[5]["dimensions.arousal_in_list"]) == ("b", "'=1+1")
    assert (rows[8]["path"], rows[8]["arousal"], rows[8]["failure"][:12]) == ("none.wav", "", "no such file")
    assert Path("report/report.html").read_text().count("data:image/png") == 1
    with Image.open("report/scatter.png") as image:
        assert image.width > 600
    code, out, _ = run("evaluate", rated, *options, "--format", "json", "-q")
    assert json.loads(out) == facts


def test_what_means_nothing_to_values_is_refused(run: Run, rated: Path, manifest: Path) -> None:
    model = ("--model", rated.parent / "values.onnx")
    code, _, err = run("evaluate", rated, *model)
    assert (code, "--range LOW,HIGH, such as 1,7" in err) == (1, True)
    code, _, err = run("evaluate", manifest, *model)
    assert (code, "no column arousal or dominance or valence" in err) == (1, True)
    for given, said in (
        (("--labels-map", "a=b"), "--labels-map is for models that give classes"),
        (("--classes", "all"), "--classes is for models that give classes"),
        (("--label-column", "act"), "these are values, so say VALUE=COLUMN"),
        (("--range", "7,1"), "give two numbers, the lower one first"),
        (("--range", "high"), "give two numbers, the lower one first"),
        (("--head", "x", "--readout", "y"), "exclude each other"),
    ):
        code, _, err = run("evaluate", rated, *model, *given)
        assert (code, said in err) == (2, True)
    code, _, err = run("evaluate", manifest, "--model", "lite", "--range", "1,7")
    assert (code, "--range is for models that give values" in err) == (2, True)
    code, _, err = run("evaluate", manifest, "--model", "lite", "--readout", "mood")
    assert (code, "has the readouts emotion and no 'mood'" in err) == (2, True)


def test_foreign_classes(run: Run, rated: Path) -> None:
    model = tiny.write(rated.parent / "foreign.onnx", readouts=(tiny.FOREIGN, tiny.DIMENSIONS))
    labels = "\n".join(f"{number}.wav,{('rabbia', 'calma', 'noia')[number % 3]}" for number in range(8))
    (rated.parent / "labels.csv").write_text(f"path,label\n{labels}")
    code, _, err = run("evaluate", rated.parent / "labels.csv", "--model", model)
    assert (code, "choose one with --readout" in err) == (2, True)
    options = ("--model", model, "--readout", "emotion", "--out", "report")
    code, out, err = run("evaluate", rated.parent / "labels.csv", *options)
    assert code == 0, err
    assert "8 recordings; tiny 1 (fp32), readout emotion\ncompeting: rabbia, calma, noia" in out
    head = Path("report/clips.csv").read_text().splitlines()[0]
    assert head == "path,label,prediction,confidence,rabbia,gioia,paura,calma,noia,failure,label_in_list"


def test_figures_with_and_without_a_baseline(run: Run, manifest: Path) -> None:
    code, out, err = run("evaluate", manifest, "--model", "lite", "--baseline", "corpus", "--out", "report", "-q")
    assert code == 0, err
    assert "Relative to the corpus: all recordings of this list that have speech (7)" in out
    assert "   without 1.000  (1.000 to 1.000)" in out
    facts = json.loads(Path("report/evaluation.json").read_text())
    assert (facts["baseline"]["name"], facts["without"]["unweighted"]) == ("corpus", 1.0)
    assert facts["without"]["intervals"]["unweighted"] == [1.0, 1.0]
    [row] = [
        row for row in csv.DictReader(Path("report/clips.csv").read_text().splitlines()) if "03b" in row["path"]
    ]
    assert row["prediction_without"] == "angry"
    assert row["confidence"] != row["confidence_without"]
    code, _, err = run("evaluate", manifest, "--model", "lite", "--expect", "neutral=0.8")
    assert code != 0
    assert "choose a baseline, too" in err
    code, _, err = run("evaluate", manifest, "--model", "lite", "--baseline", "none_such")
    assert (code, "no baseline 'none_such'" in err) == (1, True)


def test_stretches_are_called_so(run: Run, examples: list[Path], tmp_path: Path) -> None:
    marks = calls.write_call(tmp_path / "call.wav", examples[:4])
    path = calls.write_textgrid(tmp_path / "call.TextGrid", marks)
    code, out, err = run("evaluate", path, "--model", "lite", "--out", "report", "-q")
    assert code == 0, err
    assert "4 stretches; lite" in out
    assert "95 %: 2000 bootstrap draws of single stretches" in out
    assert json.loads(Path("report/evaluation.json").read_text())["stretches"] == 4
    report = Path("report/report.html").read_text()
    assert "4 stretches; lite" in report
    assert "recordings" not in report
