from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emovox.archive import Archive
from emovox.inference.recognition import ReadoutResult
from support import tiny
from support.records import record, without_nine

Run = Callable[..., tuple[int, str, str]]


def test_the_archive_in_the_plane(run: Run) -> None:
    other = {"mood": ReadoutResult(kind="linear", values={"arousal": 4.0, "valence": 2.0}, range=(1, 7))}
    with Archive() as archive:
        archive.add_records(without_nine(number) for number in range(4))
        archive.add_records([record(10), replace(record(11), readouts=other)])
    code, out, err = run("archive", "plane")
    assert (code, out) == (0, "")
    assert err == (
        "plane.png: 4 recordings; left out: 1 without arousal and valence, 1 on another scale: choose a model "
        "with --filter model=NAME\n"
    )
    assert Path("plane.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("archive", "plane", "own.svg", "--filter", "model=foreign", "--labels", "zh")
    assert (code, err) == (0, "own.svg: 4 recordings\n")
    assert "<svg" in Path("own.svg").read_text(encoding="utf-8")
    assert run("archive", "plane", "x.pdf")[0] == 2
    code, _, err = run("archive", "plane", "none.png", "--filter", "name=10.wav")
    assert code != 0
    assert not Path("none.png").exists()


def test_a_model_without_the_two_is_refused_before_it_runs(
    run: Run, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("recognize", examples[0], "--model", "lite", "--export", "plane")
    assert code == 1
    assert "plane needs values called arousal and valence" in err
    assert not list((tmp_path / "here").glob("outputs/outputs_*"))
    code, _, err = run("batch", examples[0].parent, "--out", "out", "--outputs-dirs", "--export", "plane")
    assert code == 1
    assert "plane needs values called arousal and valence" in err
    code, _, err = run("listen", examples[0], "--export", "plane")
    assert code == 1
    assert "plane needs values called arousal and valence" in err
    assert not list((tmp_path / "here").glob("**/outputs_*"))
    model = tiny.write(tmp_path / "m.onnx", readouts=(tiny.DIMENSIONS,))
    code, _, err = run("recognize", examples[0], "--model", model, "--export", "plane", "-q")
    assert code == 0, err
    [path] = (tmp_path / "here").glob("outputs/outputs_*/plane.png")
    assert path.stat().st_size > 10_000
