import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import webvtt

from emovox import exports
from emovox.inference.recognition import ReadoutResult, Recognition
from emovox.outputs import Outputs
from emovox.settings import settings
from support.depths import too_deep
from support.results import frames, recognition, recording, segment

Run = Callable[..., tuple[int, str, str]]

FUNASR_LAYOUT = {
    "emotion": "happy",
    "confidence": 0.9,
    "scores": {"happy": 0.9, "sad": 0.1},
    "granularity": "utterance",
    "timestamp": "2024-01-04 22:30:00",
}


def save(place: Path, **changes: object) -> Path:
    facts: dict[str, object] = {"recording": recording(4), "segments": [segment(1, 2)], "frames": frames(200)}
    result: Recognition = recognition(**{**facts, **changes})
    place.mkdir(parents=True)
    (place / "result.json").write_text(result.to_json(), encoding="utf-8")
    return place


def test_every_format_into_every_directory(run: Run) -> None:
    values = {"x": ReadoutResult(kind="linear", values={"arousal": 0.5, "valence": 0.1}, range=(0, 1))}
    places = [save(Path("outputs", f"outputs_20240104_22300{number}"), readouts=values) for number in range(2)]
    code, out, err = run("export", *places, "--format", ",".join(exports.FORMATS))
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2 * 14
    assert all(Path(line).is_file() for line in out.splitlines())
    assert [Path(line).parent for line in out.splitlines()] == [places[0]] * 14 + [places[1]] * 14
    assert [cue.text for cue in webvtt.read(str(places[1] / "segments.vtt")).captions] == ["😊 happy 75 %"]


def test_globs_and_languages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [save(Path("outputs", f"outputs_20240104_22300{number}")) for number in range(2)]
    code, out, _ = run("export", "outputs/outputs_2024*", places[0], "--format", " VTT,vtt ", "--labels", "zh")
    assert code == 0
    assert out.splitlines() == [str(place / "segments.vtt") for place in places]
    assert "快乐" in (places[0] / "segments.vtt").read_text(encoding="utf-8")
    monkeypatch.setenv("EMOVOX_LABELS", "zh")
    settings.cache_clear()
    run("export", places[0], "--format", "srt")
    assert "快乐" in (places[0] / "segments.srt").read_text(encoding="utf-8")
    assert run("export", "outputs/none*", "--format", "srt")[0] == 1


def test_a_directory_that_can_t_be_exported_doesn_t_stop_the_others(run: Run) -> None:
    bare = save(Path("outputs/bare"), segments=None, frames=None)
    curves = save(Path("outputs/curves"), segments=None)
    foreign, damaged, empty = (Path("outputs", name) for name in ("foreign", "damaged", "empty"))
    for place in (foreign, damaged, empty):
        place.mkdir()
    (foreign / "result.json").write_text(json.dumps(FUNASR_LAYOUT))
    (damaged / "result.json").write_bytes(b'{"emotion": "\xff')
    good = save(Path("outputs/good"))
    bad = [str(place) for place in (bare, curves, foreign, damaged, empty, "gone", "outputs")]
    code, out, err = run("export", *bad, good, "--format", "srt")
    assert (code, out) == (1, f"{good / 'segments.srt'}\n")
    lines = err.splitlines()
    assert len(lines) == 7
    for line, name in zip(lines, bad, strict=True):
        assert line.startswith(f"Error: {name}: ")
    assert "recognise again with --segments" in lines[0]
    assert "recognise again with --segments" in lines[1]
    assert "result.json wasn't written by Emovox" in lines[2]
    assert "recognise the recording again" in lines[2]
    assert "result.json wasn't written by Emovox" in lines[3]
    assert "not an outputs directory: it has no result.json" in lines[4]
    assert "not an outputs directory" in lines[5]
    assert "some inside it: give those" in lines[6]


def test_invalid_scores_are_refused(run: Run) -> None:
    place = save(Path("outputs/zero"))
    text = (place / "result.json").read_text()
    zero = Path("outputs/zero/result.json")
    zero.write_text(text.replace('"happy": 1.0', '"happy": 0.0'))
    code, out, err = run("export", str(place), "--format", "csv")
    assert (code, out) == (1, "")
    assert "or is damaged (scores: Value error, scores that sum to 0 instead of 1)" in err
    head, series = text.rsplit('"scores": [[', 1)  # of the frames
    zero.write_text(f'{head}"scores": [[{"0.0, " * 8}0.0]{series[series.index("]") + 1 :]}')
    code, out, err = run("export", str(place), "--format", "csv")
    assert (code, out) == (1, "")
    assert "(frames.scores: Value error, scores that sum to 0 instead of 1)" in err


def test_directories_that_can_t_be_read_are_named(run: Run) -> None:
    good = save(Path("outputs/good"))
    Path("outputs/circle").symlink_to("circle")
    last = too_deep(Path("outputs"))
    code, out, err = run("export", "outputs/*", "outputs/circle", last, "outputs/circle/*", "--format", "srt")
    assert (code, out) == (1, f"{good / 'segments.srt'}\n")
    for path, reason in (("outputs/circle", "Too many levels of symbolic links"), (last, "File name too long")):
        assert any(str(path) in line and reason in line for line in err.splitlines())


def test_pictures_of_what_there_is(run: Run) -> None:
    bare = save(Path("outputs/bare"), segments=None, frames=None)
    curves = save(Path("outputs/curves"), segments=None)
    code, out, err = run("export", bare, curves, "--format", "png")
    assert (code, out) == (1, f"{curves / 'timeline.png'}\n")
    assert "recognise again with --segments or --granularity frame" in err


def test_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    place = save(Path("outputs/x"))
    code, _, err = run("export", place, "--format", "srt,xls")
    assert code == 2
    assert "no format 'xls': choose srt, vtt" in err
    assert run("export", place)[0] == 2
    assert run("export", place, "--format", "")[0] == 2
    assert run("export")[0] == 2
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = run("export", place, "--format", "parquet")
    assert code == 2
    assert "pip install pyarrow" in err


def test_what_can_t_be_written_or_read_is_named_once(run: Run) -> None:
    place = save(Path("outputs/x"))
    (place / "processed_audio.wav").write_bytes(b"RIFF")
    code, out, err = run("export", place, "--format", "srt,png")
    assert (code, out) == (1, "")
    assert err.count(str(place)) == 1
    shutil.rmtree(place)
    (place / "result.json").mkdir(parents=True)
    code, _, err = run("export", place, "--format", "srt")
    assert code == 1
    assert "can't be read: Is a directory" in err


def test_an_unexpected_error_doesn_t_stop_the_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [save(Path("outputs", name)) for name in "ab"]
    real = exports.write

    def write(recognition: Recognition, directory: Path, *rest: object, **more: object) -> list[Path]:
        if directory == places[0]:
            raise ZeroDivisionError("so\nit goes")
        return real(recognition, directory, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(exports, "write", write)
    code, out, err = run("export", *places, "--format", "srt")
    assert (code, out) == (1, f"{places[1] / 'segments.srt'}\n")
    assert err == f"Error: {places[0]}: unexpected ZeroDivisionError: so it goes\n"
    assert "Traceback" in run("--debug", "export", *places, "--format", "srt")[2]


def test_a_reader_that_leaves_early(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / f"outputs_{number}")
    command = f"{sys.executable} -m emovox export outputs_* --format srt,csv | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_frames_whose_file_is_gone(run: Run) -> None:
    with Outputs("outputs").draft() as draft:
        draft.write(np.zeros(64_000, np.float32))
        place = draft.publish(recognition(recording=recording(4), segments=[segment(1, 2)], frames=frames(200)))
    assert run("export", place, "--format", "csv,srt")[0] == 0
    (place / "frames.npz").unlink()
    assert run("export", place, "--format", "srt,textgrid")[::2] == (0, "")
    code, _, err = run("export", place, "--format", "csv")
    assert code == 1
    assert "frames.npz: it is gone: recognise the recording again" in err
