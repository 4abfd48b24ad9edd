"""`emovox archive corrections` and `emovox head train --corrections`."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emovox.archive import Archive
from emovox.labels.label_list import read_labels
from emovox.models.head import Head
from emovox.outputs import read_result
from emovox.settings import settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def corrected(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Six recordings of which somebody has labelled the segments: their outputs directories."""
    root = tmp_path / "outputs"
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(root))
    settings.cache_clear()
    code, _, err = run("recognize", *examples[:6], "--model", "lite", "--segments", "--archive", "--quiet")
    assert code == 0, err
    directories = sorted(root.glob("outputs_*"))
    with Archive() as archive:
        for number, directory in enumerate(directories):
            record = archive.by_outputs(directory)
            assert record is not None
            for segment in read_result(directory).segments or []:
                archive.corrections.put(record, segment, "loud" if number % 2 else "calm", author="ann")
    return directories


def test_they_are_listed(run: Run, corrected: list[Path]) -> None:
    code, out, err = run("archive", "corrections")
    assert code == 0
    assert "→ calm" in out
    assert "(ann)" in out
    assert "calm" in err.splitlines()[-1]
    only = run("archive", "corrections", "--label", "loud", "--format", "jsonl")[1]
    rows = [json.loads(line) for line in only.splitlines()]
    assert {row["label"] for row in rows} == {"loud"}
    assert rows[0].keys() >= {
        "sha256",
        "start",
        "end",
        "channel",
        "said",
        "confidence",
        "model",
        "author",
        "created",
    }
    table = list(csv.DictReader(run("archive", "corrections", "--format", "csv")[1].splitlines()))
    assert {row["label"] for row in table} == {"calm", "loud"}
    assert Path(table[0]["path"]).is_file()


def test_their_clips_are_a_list_to_evaluate_and_to_train_with(
    run: Run, corrected: list[Path], tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    code, out, _ = run("archive", "corrections", "--clips", clips)
    assert (code, out.strip()) == (0, str(clips / "labels.csv"))
    rows = read_labels(clips / "labels.csv")
    assert len({row.groups["group"] for row in rows}) == len(corrected)
    assert all(row.path.is_file() for row in rows)
    code, out, err = run("head", "train", clips / "labels.csv", "--name", "clips", "--model", "lite")
    assert code == 0, err
    assert "held out by group (6)" in out
    shutil.rmtree(corrected[0])
    code, _, err = run("archive", "corrections", "--clips", clips)
    assert code == 1
    assert "its sound isn't stored" in err
    assert len(read_labels(clips / "labels.csv")) < len(rows)


def test_a_head_is_trained_on_them(run: Run, corrected: list[Path]) -> None:
    code, out, err = run("head", "train", "--corrections", "--name", "own", "--model", "lite")
    assert code == 0, err
    assert "held out by recording (6)" in out
    assert "segments" in out
    assert "%" in out.splitlines()[-1]
    assert " – " in out.splitlines()[-1]  # the interval
    head = Head.find("own")
    assert (head.classes, head.training.corrections) == (("calm", "loud"), True)
    code, out, err = run(
        "head", "train", "--corrections", "--name", "own", "--yes", "--without", "calm", "--model", "lite"
    )
    assert code != 0
    assert "two classes or more" in err


@pytest.mark.parametrize(
    "arguments",
    [(), ("list.csv", "--corrections"), ("--corrections", "--group", "x"), ("list.csv", "--without", "x")],
)
def test_a_list_or_corrections_are_named(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("head", "train", *arguments, "--name", "own")[0] == 2
