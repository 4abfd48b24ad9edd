import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import tiny

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def archived(run: Run, tmp_path: Path, examples: list[Path]) -> list[Path]:
    """Two recordings that revision 1 of a model recognised, of which revision 2 was added since."""
    assert run("models", "add", tiny.write(tmp_path / "1.onnx"))[0] == 0
    files = [Path(shutil.copy(path, tmp_path)) for path in examples[:2]]
    assert run("recognize", *files, "--archive", "--model", "tiny", "--quiet")[0] == 0
    assert run("models", "add", tiny.write(tmp_path / "2.onnx", scale=2, revision="2"))[0] == 0
    return files


def test_what_there_is_to_do(run: Run, archived: list[Path]) -> None:
    code, out, _ = run("archive", "upgrade", "--model", "tiny", "--dry-run")
    lines = out.splitlines()
    assert code == 0
    assert lines[:2] == ["2 recognitions by tiny 1", "2 recognitions can be made again by tiny 2"]
    assert " of sound, which takes about 0:00:" in lines[2]
    assert run("archive", "list", "--filter", "revision=1")[1].count("\n") == 2


def test_it_asks_first(run: Run, archived: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert run("archive", "upgrade", "--model", "tiny")[0] == 130
    assert run("archive", "list", "--filter", "revision=1")[1].count("\n") == 2


def test_an_upgrade(run: Run, archived: list[Path]) -> None:
    code, out, _ = run("archive", "upgrade", "--model", "tiny", "--yes")
    assert code == 0
    assert out.splitlines()[-1] == "2 recognitions of tiny 2 now"
    assert run("archive", "list", "--filter", "revision=2")[1].count("\n") == 2
    code, out, _ = run("archive", "upgrade", "--model", "tiny", "--yes")
    assert (code, out) == (0, "nothing in the archive is of another revision than tiny 2\n")


def test_what_stays_as_it_is(run: Run, archived: list[Path]) -> None:
    for directory in Path("outputs").glob("outputs_*"):
        (directory / "processed_audio.wav").unlink()
    archived[0].unlink()
    code, out, _ = run("archive", "upgrade", "--model", "tiny", "--yes")
    assert code == 1
    assert "1 recognition stays as it is: neither their sound nor the recording is there any more" in out
    assert "`--model tiny@REVISION` of theirs does" in out


def test_the_old_revision_goes_on_with_what_it_recognised(run: Run, archived: list[Path]) -> None:
    code, _, err = run("similar", archived[0], "--model", "tiny")
    assert code == 1
    assert "`emovox archive upgrade` infers those again; --model tiny@1 compares with them" in err
    assert run("similar", archived[0], "--model", "tiny@1")[0] == 0
    assert run("archive", "list", "--baseline", "corpus", "--filter", "emotion=angry")[0] == 0
    assert run("archive", "upgrade", "--model", "tiny", "--yes", "--quiet")[0] == 0
    assert run("similar", archived[0], "--model", "tiny")[0] == 0
