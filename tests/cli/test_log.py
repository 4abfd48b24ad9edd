import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOVOX_USE_LOG", str(tmp_path / "use.jsonl"))
    return tmp_path / "use.jsonl"


def test_what_the_command_does_is_logged_and_verified(run: Run, examples: list[Path], log: Path) -> None:
    assert run("recognize", *examples[:2], "--archive", "--segments", "--quiet", "--side", "worker")[0] == 0
    assert run("archive", "list")[0] == 0
    assert run("archive", "export", "--out", "table.csv")[0] == 0
    directory = next(Path("outputs").glob("outputs_*"))
    assert run("export", directory, "--format", "csv")[0] == 0
    assert run("archive", "delete", "--filter", "side=worker", "--yes")[0] == 0
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["action"] for entry in entries] == [
        "recognized", "recognized", "read", "exported", "exported", "read", "deleted",
    ]  # fmt: skip
    assert (entries[0]["model"], entries[0]["side"], entries[0]["outcome"]) == ("lite 5.3", "worker", "inferred")
    assert entries[4]["outputs"] == [directory.name]
    assert sorted(entries[6]["recordings"]) == sorted(entries[0]["recordings"] + entries[1]["recordings"])
    text = log.read_text()
    assert not any(word in text for word in ("angry", "disgusted", "0.9", examples[0].name))

    code, out, _ = run("log", "verify")
    assert (code, out) == (0, f"7 lines, checksum of the last: {entries[-1]['sha256']}\n")
    assert run("log", "verify", "--contains", entries[2]["sha256"])[0] == 0
    code, _, err = run("log", "verify", "--contains", "0" * 64)
    assert (code, "is not in the chain" in err) == (1, True)
    code, out, _ = run("log", "export", "--format", "csv", "--recording", entries[0]["recordings"][0][:12])
    assert [row["action"] for row in csv.DictReader(out.splitlines())] == ["recognized", "deleted"]
    log.write_text(text.replace("worker", "subject", 1))
    code, _, err = run("log", "verify")
    assert (code, "line 1 was changed" in err) == (1, True)


def test_a_policy_that_withholds_is_logged(
    run: Run, examples: list[Path], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    assert run("recognize", examples[0], "--no-save", "--quiet", "--side", "worker")[0] == 0
    entry = json.loads(log.read_text())
    assert (entry["policy"], entry["outcome"]) == ("eu", "talk time")


def test_without_the_log_nothing_is_given(run: Run, examples: list[Path], log: Path) -> None:
    log.mkdir()
    code, out, err = run("recognize", examples[0], "--format", "json")
    assert (code, "so nothing is given" in err) == (1, True)
    assert "angry" not in out
    assert list(Path("outputs").glob("outputs_*")) == []


def test_there_is_none_by_default(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOVOX_USE_LOG")
    code, _, err = run("log", "verify")
    assert (code, "EMOVOX_USE_LOG" in err) == (2, True)
