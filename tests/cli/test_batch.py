import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emovox.batch.status import Status
from emovox.cli.batch import BatchProgress, line
from support import tiny
from support.batches import table

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny.write(tmp_path / "tiny.onnx")


def test_a_folder_becomes_tables(run: Run, examples: list[Path], model: Path) -> None:
    source = examples[0].parent / "*.flac"
    code, out, err = run("batch", source, "--out", "heard", "--model", model, "--segments", "--workers", 1)
    assert (code, out) == (0, "")
    rows = table(Path("heard"))
    assert [row["path"] for row in rows] == [str(path) for path in examples]
    assert all(row["segments"] for row in rows)
    assert "7 recordings recognised; 0.01 h of audio in 0:00:0" in err
    assert "with 1 worker; tables in heard" in err
    assert " %  ██" in err
    code, _, err = run("batch", source, "--out", "heard", "--model", model, "--segments", "--workers", 1)
    assert code == 0
    assert "0 recordings recognised, 7 in earlier runs" in err
    code, _, err = run("batch", source, "--out", "heard", "--model", model, "--workers", 1)
    assert code == 1
    assert "it differs in options (segments)" in err


def test_a_summary_of_classes_and_values(run: Run, examples: list[Path], tmp_path: Path) -> None:
    readouts = (tiny.classes("angry", "bored", name="moods"), tiny.DIMENSIONS)
    model = tiny.write(tmp_path / "x.onnx", readouts=readouts)
    source = examples[0].parent / "*.flac"
    _, _, err = run("batch", source, "--out", "heard", "--model", model, "--workers", 1, "--labels", "zh")
    lines = [line.split() for line in err.splitlines()]
    assert {line[0] for line in lines if "%" in line} <= {"angry", "bored"}  # as the model spells them
    assert sum(int(line[1]) for line in lines if "%" in line) == 7
    assert [line[:3] for line in lines if line[0] in tiny.DIMENSIONS.labels] == [
        [name, "7", "mean"] for name in tiny.DIMENSIONS.labels
    ]


def test_what_fails_is_counted(run: Run, examples: list[Path], model: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"id,call\n1,{examples[0]}\n2,no.wav\n", "utf-8")
    command = (
        "batch",
        tmp_path / "list.csv",
        "--column",
        "call",
        "--out",
        "heard",
        "--model",
        model,
        "--workers",
        1,
    )
    code, out, err = run(*command, "--quiet")
    assert (code, out) == (1, "")
    assert err == f"Error: {tmp_path / 'no.wav'}: no such file\nError: 1 recording failed: heard/errors says why\n"
    code, _, err = run(*command)
    assert code == 1
    assert "0 recordings recognised, 1 in earlier runs, 1 failed" in err
    assert table(Path("heard"), "errors") == [{"path": str(tmp_path / "no.wav"), "reason": "no such file"}]


def test_a_folder_becomes_an_archive(run: Run, examples: list[Path], model: Path) -> None:
    options = ("--out", "heard", "--outputs-dirs", "--archive", "--model", model, "--workers", 2, "--quiet")
    assert run("batch", examples[0].parent / "*.flac", *options)[0] == 0
    code, out, _ = run("archive", "list", "--outputs", "heard/outputs", "--format", "jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert sorted(item["link"] for item in found) == [str(path) for path in examples]
    assert not Path("outputs.db").exists()
    code, out, _ = run("similar", found[0]["id"], "--outputs", "heard/outputs", "--format", "json")
    assert (code, len(json.loads(out))) == (0, len(examples) - 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--out", "x", "--archive"], "add --outputs-dirs"),
        (["--out", "x", "--export", "srt"], "add --outputs-dirs"),
        (["--out", "x", "--address", "ray://head:10001"], "only for --engine ray"),
        (["--out", "x", "--engine", "ray", "--outputs-dirs"], "runs on others"),
        (["--out", "x", "--emotions", "bored"], "bored"),
        (["--out", "x", "--smoothing", "nan"], "nan is not a number"),
        ([], "--out"),
        (["--out", ""], "the name is empty"),
    ],
)
def test_usage(run: Run, options: list[str], reason: str) -> None:
    code, _, err = run("batch", "x", *options)
    assert code == 2
    assert reason in err
    assert not Path("x").exists()


def test_input_that_is_not_there(run: Run) -> None:
    code, _, err = run("batch", "no/where", "--out", "x")
    assert (code, err) == (1, "Error: no/where: no such file or directory\n")
    assert "emovox batch s3://" in run("batch", "--help")[1]


def test_a_line_of_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status = Status(listed=4000, listing=True, done=990, failed=10, seconds=36_000)
    monkeypatch.setattr("emovox.batch.status.time.monotonic", lambda: status.started + 1800)
    assert line(status) == "1,000 of 4,000+: 10.00 h of audio, 20.0 h per hour, 10 failed"
    status.listing = False
    assert line(status) == "1,000 of 4,000: 10.00 h of audio, 20.0 h per hour, 1:30:00 left, 10 failed"
    monkeypatch.setattr("emovox.cli.batch._LINE", 0.0)
    for shown, expected in ((True, f"{line(status)}\n"), (False, "")):
        with BatchProgress(shown=shown) as progress:
            progress.tell(status)
        assert capsys.readouterr().err == expected


def test_two_passes_and_their_progress(run: Run, examples: list[Path]) -> None:
    code, out, err = run(
        "batch", examples[0].parent, "--out", "results", "--model", "lite", "--baseline", "corpus"
    )
    assert (code, out) == (0, ""), err
    assert "relative to the corpus, " in err
    assert "recordings with speech; 12 would give" in err
    rows = table(Path("results"))
    assert [row["baseline"] for row in rows] == ["corpus"] * (len(examples) + 1)  # the scene lies below
    assert any(row["angry"] != row["angry_without"] for row in rows)
    status = Status(listed=9, done=9, listing=False, second=(1200, 5000))
    assert line(status) == "second pass: 1,200 of 5,000 made relative"
    code, _, err = run("batch", examples[0].parent, "--out", "other", "--model", "lite", "--baseline", "speaker")
    assert code == 1
    assert "needs a manifest with a column speaker" in err
    code, _, err = run("recognize", examples[0], "--baseline", "speaker")
    assert (code, "is of many recordings" in err) == (2, True)
