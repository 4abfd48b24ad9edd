import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest

from emovox.archive import Archive
from emovox.audio.isolation.process import Process
from emovox.audio.wav import WavWriter
from emovox.emotions import BY_NAME, NAMES
from emovox.inference.recognition import json_schema
from emovox.inference.recognizer import Recognizer
from emovox.models.converted.clips import example_clips
from emovox.version import __version__
from support import poison, tiny
from support.children import children, running
from support.depths import too_deep
from support.exporters import break_format
from support.zoo import film, wav

Run = Callable[..., tuple[int, str, str]]


def results() -> list[dict[str, Any]]:
    return [json.loads((place / "result.json").read_text()) for place in sorted(Path("outputs").glob("outputs_*"))]


def test_a_table_and_outputs_directories(run: Run, examples: list[Path]) -> None:
    code, out, err = run("recognize", *examples)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["file", "emotion", "confidence"]
    for line, path in zip(lines[1:], examples, strict=True):
        assert path.name in line
        assert path.stem.rsplit("_", 1)[-1] in line
        assert "%" in line
        assert "█" in line
    assert "7 recordings" in err
    assert "lite 5" in err
    assert len(results()) == 7
    for result in results():
        jsonschema.validate(result, json_schema())


def test_one_recording_with_frames_and_embedding(run: Run, examples: list[Path]) -> None:
    code, _, err = run("recognize", examples[0], "--granularity", "frame", "--embedding", "--outputs", "kept")
    assert code == 0
    [place] = Path("kept").glob("outputs_*")
    assert str(place) in err
    frames = json.loads((place / "result.json").read_text())["frames"]
    assert len(np.load(place / "embedding.npy")) == frames["count"] == len(np.load(place / "frames.npz")["scores"])


def test_what_is_long_is_told_in_a_sentence_and_keeps_its_segments(
    run: Run, examples: list[Path], tmp_path: Path
) -> None:
    clips = {name.stem.rpartition("_")[2]: clip for name, clip in zip(examples, example_clips(), strict=True)}
    neutral, long = next(path for path in examples if "neutral" in path.name), tmp_path / "long.wav"
    writer = WavWriter(long)
    for name in ["neutral"] * 12 + ["angry"] * 12:
        writer.write(np.pad(clips[name], (0, 8_000)))
    writer.close()
    code, out, _ = run("recognize", long, neutral, "--quiet")
    assert code == 0
    assert " – " not in out  # the segments themselves weren't asked for
    first, second = results()
    assert [part["classes"] for part in first["summary"]["arc"]] == [["neutral"], ["angry"]]
    assert first["summary"]["sentence"]["en"] in out
    assert len(first["segments"]) > 10
    assert {"segments", "summary"}.isdisjoint(second)
    _, out, _ = run("recognize", long, "--no-save", "--quiet", "--labels", "zh")
    assert first["summary"]["sentence"]["zh"] in out
    _, out, _ = run("recognize", long, "--no-save", "--no-segments", "--format", "json")
    assert {"segments", "summary"}.isdisjoint(json.loads(out)[0])
    _, out, _ = run("recognize", long, "--no-save", "--format", "csv")
    assert len(out.splitlines()) == 2  # a line for the recording
    _, out, _ = run("recognize", neutral, "--no-save", "--segments", "--quiet")
    assert " – " in out
    assert "Sounds" not in out  # the verdict above says as much


def test_no_save_writes_nothing(run: Run, examples: list[Path]) -> None:
    assert run("recognize", examples[0], "--no-save", "--quiet")[::2] == (0, "")
    assert list(Path().iterdir()) == []


def test_json_forms(run: Run, examples: list[Path]) -> None:
    _, out, _ = run("recognize", *examples[:2], "--format", "json")
    items = json.loads(out)
    _, lines, _ = run("recognize", *examples[:2], "--format", "jsonl", "--no-save")
    assert [item["emotion"] for item in items] == [json.loads(line)["emotion"] for line in lines.splitlines()]
    for item, path in zip(items, examples, strict=False):
        jsonschema.validate(item, json_schema())
        assert item["path"] == str(path)
        assert json.loads((Path(item["outputs"]) / "result.json").read_text())["scores"] == item["scores"]
    assert run("recognize", "gone.wav", "--format", "json", "--no-save")[:2] == (1, "[]\n")


def test_where_json_has_the_frames(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def items(*arguments: str) -> list[dict[str, Any]]:
        code, out, err = run("recognize", examples[0], "--granularity", "frame", "-q", *arguments)
        assert (code, err) == (0, "")
        found = json.loads(out) if "json" in arguments else [json.loads(line) for line in out.splitlines()]
        for item in found:
            jsonschema.validate(item, json_schema())
        return [item["frames"] for item in found]

    for form in ("json", "jsonl"):
        [inline], [named] = items("--format", form, "--frames", "inline"), items("--format", form)
        assert named["count"] == len(inline["scores"]) == len(inline["logits"])
        assert named["file"] == "frames.npz"
        assert items("--format", form, "--frames", "file") == [named]
        assert items("--format", form, "--no-save") == [inline]
        with monkeypatch.context() as patch:
            patch.setattr("emovox.inference.frames.INLINE_LIMIT", 5)
            assert items("--format", form) == [named]
            for refused in (("--frames", "inline"), ("--no-save",)):
                arguments = (examples[0], "--granularity", "frame", "--format", form, *refused)
                code, out, err = run("recognize", *arguments)
                assert (code, out) == (1, "[]\n" if form == "json" else "")
                assert "too many for JSON" in err
                assert "frames.npz" in err
    assert run("recognize", examples[0], "--frames", "file", "--no-save")[0] == 2


def test_csv(run: Run, examples: list[Path]) -> None:
    _, out, _ = run("recognize", *examples, "--format", "csv", "--labels", "zh", "--no-save")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["path"] for row in rows] == [str(path) for path in examples]
    for row in rows:
        assert row["emotion"] in row["path"]
        assert sum(float(row[name]) for name in NAMES) == pytest.approx(1, abs=1e-5)
    assert rows[0]["label"] == "愤怒"


def test_csv_of_segments(run: Run, encode: Callable[..., Path], examples: list[Path]) -> None:
    path = call(encode, examples)
    _, out, _ = run("recognize", path, "--channels", "split", "--segments", "--format", "csv", "--labels", "zh")
    rows = list(csv.DictReader(io.StringIO(out)))
    expected = [
        (result["recording"]["channel"], segment["start"], segment["end"], segment["emotion"])
        for result in results()
        for segment in result["segments"]
    ]
    assert [channel for channel, *_ in expected] == [1, 2]
    assert {row["path"] for row in rows} == {str(path)}
    for row, (channel, start, end, emotion) in zip(rows, expected, strict=True):
        assert (row["channel"], row["emotion"]) == (str(channel), emotion)
        assert row["label"] == BY_NAME[emotion].chinese
        assert (float(row["start"]), float(row["end"])) == pytest.approx((start, end), abs=1e-3)
        assert sum(float(row[name]) for name in NAMES) == pytest.approx(1, abs=1e-5)
        assert Path(row["outputs"]).is_dir()
    silence = encode(np.zeros((1, 32_000), np.float32), "silence.wav", "pcm_s16le", sample_format="s16")
    code, out, _ = run("recognize", silence, "--segments", "--format", "csv")
    assert (code, len(out.splitlines())) == (0, 1)


def test_csv_holds_no_formulas(run: Run, examples: list[Path]) -> None:
    name = "=HYPERLINK(1).flac"
    Path(name).write_bytes(examples[0].read_bytes())
    _, out, _ = run("recognize", name, "--format", "csv", "--no-save")
    assert [row["path"] for row in csv.DictReader(io.StringIO(out))] == [f"'{name}"]


def test_labels_top_and_emotions(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = run(
        "recognize", examples[0], "--labels", "zh", "--top", 3, "--emotions", " Sad,happy,angry", "--no-save"
    )
    lines = out.splitlines()
    assert lines[0].split() == ["文件", "情感", "置信度"]
    assert len(lines) == 4
    assert all(any(name in line for name in ("悲伤", "快乐", "愤怒")) for line in lines[1:])


def test_one_bad_file_is_reported_and_does_not_stop_the_others(run: Run, examples: list[Path]) -> None:
    Path("text.wav").write_text("no sound, only words " * 20)
    Path("empty").mkdir()
    code, out, err = run("recognize", examples[0], "text.wav", "gone.wav", "empty", "*.xyz", examples[1])
    assert code == 1
    assert len(out.splitlines()) == 3
    reported = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert [line.split(": ")[1] for line in reported] == ["empty", "*.xyz", "text.wav", "gone.wav"]
    assert "Traceback" not in err
    assert len(results()) == 2


def test_directories_and_globs(run: Run, examples: list[Path]) -> None:
    _, out, _ = run("recognize", examples[0].parent, "--format", "jsonl", "--no-save")
    assert len(out.splitlines()) == len(examples) + 1  # the scene lies below
    _, out, _ = run(
        "recognize", f"{examples[0].parent}/*{examples[0].name[-12:]}", "--format", "jsonl", "--no-save"
    )
    assert len(out.splitlines()) == 1


def test_where_nothing_can_be_recognised_only_the_reasons_are_printed(run: Run) -> None:
    Path("notes.txt").write_text("hello")
    code, out, err = run("recognize", "notes.txt", "https://example.org/a.mp3", "--no-save")
    assert (code, out) == (1, "")
    assert "0 recordings" not in err
    assert "Error: notes.txt: not a recording in any format" in err
    assert "Error: https://example.org/a.mp3: only files on this machine are read: download it first" in err


def test_a_directory_that_cannot_be_read_does_not_stop_the_others(run: Run, examples: list[Path]) -> None:
    Path("calls").mkdir()
    shutil.copy(examples[0], "calls/good.flac")
    Path("calls/circle").symlink_to("circle")
    last = too_deep(Path("calls"))
    code, out, err = run("recognize", "calls", last, "circle.wav", "--no-save", "--format", "csv", "--quiet")
    assert (code, len(out.splitlines())) == (1, 2)
    assert "calls/good.flac" in out
    assert sorted(line for line in err.splitlines() if line.startswith("Error")) == sorted([
        "Error: calls/circle: Too many levels of symbolic links",
        f"Error: {last}: File name too long",
        f"Error: {last}: File name too long",
        "Error: circle.wav: no such file",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recognize", "x.wav", "--emotions", "joy"], "the nine are angry"),
        (["recognize", "x.wav", "--model", "huge"], "auto, lite"),
        (["recognize", "x.wav", "--granularity", "word"], "utterance"),
        (["recognize", "x.wav", "--top", "0"], "1<=x<=9"),
        (["recognise"], "No such command"),
        (["recognize"], "Usage"),
        ([], "Usage"),
    ],
)
def test_usage(run: Run, arguments: list[str], says: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert says in out + err
    assert list(Path().iterdir()) == []


def test_untaught_emotions_are_a_usage_error(run: Run, examples: list[Path], tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "tiny.onnx")
    code, _, err = run("recognize", examples[0], "--emotions", "surprised", "--model", model)
    assert code == 2
    assert "doesn't know surprised" in err
    assert results() == []


def test_outputs_that_cannot_be_written(run: Run, examples: list[Path]) -> None:
    Path("outputs").write_text("a file")
    code, _, err = run("recognize", examples[0])
    assert code == 1
    assert err.startswith("Error: outputs: can't be written")


def test_help_has_examples_and_debug_a_traceback(run: Run, examples: list[Path]) -> None:
    for arguments in (["--help"], ["recognize", "--help"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "emovox recognize call.mp3" in out
    assert run("--version")[1] == f"emovox {__version__}\n"
    Path("outputs").write_text("a file")
    _, _, err = run("recognize", examples[0], "--debug")
    assert "Traceback" in err


def test_bad_settings_are_a_usage_error(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_LABELS", "fr")
    code, _, err = run("recognize", examples[0])
    assert code == 2
    assert "EMOVOX_LABELS" in err


def test_an_unexpected_error_is_one_line(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody\nthought of")

    with monkeypatch.context() as patch:
        patch.setattr("emovox.inference.recognizer.Recognizer.recognize", fail)
        code, out, err = run("recognize", examples[0], "--format", "json", "--quiet")
        assert (code, json.loads(out)) == (1, [])
        assert err == f"Error: {examples[0]}: unexpected RuntimeError: what nobody thought of\n"
        assert "Traceback" in run("recognize", examples[0], "--debug")[2]
    monkeypatch.setattr("emovox.cli.recognize.Recognizer", fail)
    code, _, err = run("recognize", examples[0])
    assert code == 1
    assert (
        err == "Error: unexpected RuntimeError: what nobody thought of. Run again with --debug for the details.\n"
    )


def test_empty_names_are_not_the_current_directory(run: Run, examples: list[Path]) -> None:
    Path("x.flac").write_bytes(examples[0].read_bytes())
    code, out, err = run("recognize", "", "--format", "csv")
    assert (code, len(out.splitlines())) == (1, 1)
    assert "is a variable unset" in err
    assert run("recognize", "x.flac", "--outputs", "")[0] == 2
    assert [path.name for path in Path().iterdir()] == ["x.flac"]


def test_a_bad_recording_leaves_nothing(run: Run) -> None:
    Path("text.wav").write_text("no sound")
    assert run("recognize", "text.wav", "gone.wav")[0] == 1
    assert [path.name for path in Path().iterdir()] == ["text.wav"]


def test_closed_streams(tmp_path: Path, examples: list[Path]) -> None:
    command = f"{sys.executable} -m emovox recognize --no-save"
    for end, code, says in [
        ("- <&-", 1, "standard input is closed"),
        (f"{examples[0]} 2>&-", 0, ""),
        (f"{examples[0]} -q >/dev/full", 1, "can't write what was found: No space left"),
    ]:
        done = subprocess.run(["/bin/sh", "-c", f"{command} {end}"], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_control_characters_in_a_name_do_not_reach_the_terminal(run: Run, examples: list[Path]) -> None:
    Path("a\x1b[31m\n.flac").write_bytes(examples[0].read_bytes())
    Path("b\x1b[31m.flac").write_text("no sound")
    _, out, err = run("recognize", ".", "--no-save")
    assert "\x1b" not in out + err
    assert len(out.splitlines()) == 2


def test_standard_input_through_a_pipe(tmp_path: Path, examples: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emovox", "recognize", "-", "--format", "jsonl"],
        input=examples[0].read_bytes(),
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    item = json.loads(done.stdout)
    assert (item["path"], item["recording"]["name"]) == ("-", "stdin")
    assert examples[0].stem.endswith(item["emotion"])


def test_a_reader_that_leaves_early(tmp_path: Path, examples: list[Path]) -> None:
    command = f"{sys.executable} -m emovox recognize {' '.join(map(str, examples))} --no-save -q | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr == ""


def test_progress_on_a_terminal_only(tmp_path: Path, examples: list[Path]) -> None:
    command = [sys.executable, "-m", "emovox", "recognize", *map(str, examples), "--no-save", "--format", "jsonl"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}

    def errors_on_a_terminal(*extra: str) -> str:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [*command, *extra], stdout=subprocess.DEVNULL, stderr=slave, cwd=tmp_path, env=environment
        )
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 65_536):  # while it runs: a terminal that nobody reads holds 4 kB
                shown += piece
        except OSError:  # how Linux says that the other end was closed
            pass
        os.close(master)
        assert process.wait() == 0
        return shown.decode()

    shown = errors_on_a_terminal()
    assert "/7" in shown
    assert "real time" in shown
    assert errors_on_a_terminal("--quiet") == ""
    piped = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "/7" not in piped.stderr


def test_progress_in_lines_where_there_is_no_terminal(
    run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.cli.progress.EVERY", 0.0)
    lines = run("recognize", *examples, "--no-save")[2].splitlines()
    assert re.fullmatch(r"7 of 7 done, 0:22 of audio, \d+× real time, 0:00 left", lines[-2])
    assert "real time" not in run("recognize", *examples, "--no-save", "--quiet")[2]


def call(encode: Callable[..., Path], examples: list[Path]) -> Path:
    """A call: one example on the left, then another on the right."""
    one, other = (read(path) for path in examples[:2])
    stereo = np.zeros((2, len(one) + len(other) + 8_000), np.float32)
    stereo[0, : len(one)], stereo[1, -len(other) :] = one, other
    return encode(stereo, "call.wav", "pcm_s16le", sample_format="s16")


def read(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return (np.concatenate(pieces) / 32768).astype(np.float32)


def test_segments_are_shown_and_saved(run: Run, encode: Callable[..., Path], examples: list[Path]) -> None:
    path = call(encode, examples)
    code, out, _ = run("recognize", path, "--segments", "--labels", "zh")
    assert code == 0
    [result] = results()
    segments = result["segments"]
    assert isinstance(segments, list)
    shown = [line for line in out.splitlines() if " – " in line]
    assert len(shown) == len(segments) >= 2
    assert shown[0].startswith("0:0")
    assert BY_NAME[segments[0]["emotion"]].chinese in shown[0]
    code, out, _ = run("recognize", path, "--merge", "--no-save", "--format", "json")
    assert code == 0
    assert len(json.loads(out)[0]["segments"]) <= len(segments)


def test_each_channel_by_itself(run: Run, encode: Callable[..., Path], examples: list[Path]) -> None:
    path = call(encode, examples)
    code, out, err = run(
        "recognize", path, "--channels", "split", "--segments", "--embedding", "--export", "srt,textgrid",
        "--format", "jsonl",
    )  # fmt: skip
    assert (code, "2 recordings" in err) == (0, True)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["recording"]["channel"] for row in rows] == [1, 2]
    assert [row["speech_only"] for row in rows] == [True, True]
    assert [row["emotion"] for row in rows] == [path.stem.rsplit("_", 1)[-1] for path in examples[:2]]
    for number, row in enumerate(rows, 1):
        place = Path(row["outputs"])
        assert place.name.endswith(f"_channel{number}")
        result = json.loads((place / "result.json").read_text())
        jsonschema.validate(result, json_schema())
        assert {item["channel"] for item in result["segments"]} == {number}
        assert len(np.load(place / "segment_embeddings.npy")) == len(result["segments"])
        assert (place / f"segments_channel{number}.srt").exists()
        assert (place / f"segments_channel{number}.TextGrid").exists()


def test_channels_of_standard_input(encode: Callable[..., Path], examples: list[Path]) -> None:
    path = call(encode, examples)
    command = [sys.executable, "-m", "emovox", "recognize", "-", "--channels", "split", "--no-save", "--format"]
    with path.open("rb") as file:
        done = subprocess.run([*command, "jsonl"], stdin=file, capture_output=True, text=True, check=True)
    found = [json.loads(line)["recording"] for line in done.stdout.splitlines()]
    assert [(item["name"], item["channel"]) for item in found] == [("stdin", 1), ("stdin", 2)]


def test_exports_imply_what_they_show(run: Run, examples: list[Path]) -> None:
    assert run("recognize", examples[0], "--export", "csv,png")[0] == 0
    [place] = Path("outputs").glob("outputs_*")
    assert {file.name for file in place.iterdir()} == {
        "frames.npz", "processed_audio.wav", "result.json", "segments.csv", "frames.csv", "timeline.png",
    }  # fmt: skip
    assert run("recognize", examples[0], "--export", "srt", "--outputs", "other")[0] == 0
    [place] = Path("other").glob("outputs_*")
    assert "frames" not in json.loads((place / "result.json").read_text())


def test_an_export_that_fails_costs_itself_alone(
    run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_format(monkeypatch, "srt", ValueError("so\nit goes"))
    code, out, err = run("recognize", *examples[:2], "--export", "srt,csv", "--archive")
    assert code == 1
    told = "recognised, but not exported as srt: writing segments.srt failed: ValueError: so it goes (exporters.py"
    for path in examples[:2]:
        assert path.name in out
        assert f"Error: {path}: {told}" in err
    places = sorted(Path("outputs").glob("outputs_*"))
    assert len(places) == 2
    for place in places:
        assert {file.name for file in place.iterdir()} == {"processed_audio.wav", "result.json", "segments.csv"}
    with Archive() as archive:
        assert {item.outputs for item in archive.all()} == {place.absolute() for place in places}
    assert run("recognize", examples[0], "--export", "csv")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "docx"], "choose srt, vtt"),
        (["--export", "srt", "--no-save"], "can't be used with --no-save"),
        (["--channels", "left"], "left"),
        (["--smoothing", "-1"], "smoothing"),
    ],
)
def test_wrong_options_of_time(run: Run, examples: list[Path], arguments: list[str], message: str) -> None:
    code, _, err = run("recognize", examples[0], *arguments)
    assert code == 2
    assert message in err
    assert not Path("outputs").exists()


def test_standard_input_by_channels_keeps_to_the_limit(tmp_path: Path) -> None:
    """The rest of an endless pipe isn't read."""
    command = [sys.executable, "-m", "emovox", "recognize", "-", "--channels", "split", "--no-save"]
    environment = {**os.environ, "EMOVOX_MAX_FILE_SIZE": "1000000"}
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            command, stdin=endless, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "larger than the limit of 1000000 bytes" in done.stderr


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]) -> Path:
    """A directory with two recordings, and between them one that kills its decoder."""
    poison.poison(monkeypatch, tmp_path)
    place = tmp_path / "calls"
    place.mkdir()
    for name, path in (("a.flac", examples[0]), ("c.flac", examples[1])):
        (place / name).write_bytes(path.read_bytes())
    (place / "b.wav").write_bytes(poison.CRASH)
    return place


@pytest.mark.parametrize("channels", ["mix", "split"])
def test_a_file_that_kills_its_decoder_costs_itself(run: Run, poisoned: Path, channels: str) -> None:
    code, out, err = run("recognize", poisoned, "--format", "jsonl", "--channels", channels)
    assert code == 1
    assert [Path(json.loads(line)["path"]).name for line in out.splitlines()] == ["a.flac", "c.flac"]
    assert len(results()) == 2
    [line] = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert line.startswith(f"Error: {poisoned}/b.wav: decoding it broke the decoder")
    assert line.endswith("leave it out, or convert it")


def test_standard_input_that_kills_its_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison.poison(monkeypatch, tmp_path)
    command = [sys.executable, "-m", "emovox", "recognize", "-", "--no-save"]
    done = subprocess.run(command, input=poison.CRASH, capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("Error: -: decoding it broke the decoder")


def test_without_decoders_the_first_recording_says_so(
    run: Run, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path, at_start="os._exit(1)")
    code, out, err = run("recognize", *examples, "--format", "jsonl", "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("Error: no decoding process can be started: it ends at once, with code 1; ")
    assert err.count("\n") == 1


def test_an_interrupt_while_a_decoder_works(poisoned: Path, tmp_path: Path) -> None:
    (poisoned / "b.wav").write_bytes(poison.HANG)
    command = [sys.executable, "-m", "emovox", "recognize", str(poisoned), "--format", "jsonl", "--no-save"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "a.flac" in process.stdout.readline()
        [decoder] = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read().strip()) == (130, "interrupted")
    assert not running(decoder)


def test_decoders_are_used_again(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two take turns, as one decodes ahead; each start costs more than a recording of seconds."""
    starts = []
    start = Process.start

    async def counted(*, memory: int, stall: float) -> Process:
        starts.append(memory)
        return await start(memory=memory, stall=stall)

    monkeypatch.setattr(Process, "start", counted)
    assert run("recognize", *examples, "--no-save")[0] == 0
    assert 1 <= len(starts) <= 2
    starts.clear()
    recognizer = Recognizer("lite", isolate=True)
    assert len(list(recognizer.recognize_many(examples))) == len(examples)
    assert 1 <= len(starts) <= 2


def test_nothing_is_decoded_in_this_process(tmp_path: Path, examples: list[Path]) -> None:
    code = "\n".join([
        "import sys",
        "from emovox.cli import main",
        "try:",
        f"    main(['recognize', {str(examples[0])!r}, '--no-save', '--quiet'])",
        "finally:",
        "    print(*{name.partition('.')[0] for name in sys.modules} & {'av', 'numpy'})",
    ])  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "numpy"


def test_a_silent_track_names_the_others(run: Run, speech: np.ndarray, tmp_path: Path) -> None:
    path = film(tmp_path, speech, [0.0, 1.0, 0.5])
    code, out, _ = run("recognize", path, "--no-save")
    assert code == 0
    assert "angry" in out.lower()
    assert "silent_track: the main audio track is silent" in out
    assert out.rstrip().endswith("2 eng; also available: 1 deu Gespr\u00e4ch, 3 Mikrofon")
    code, out, _ = run("recognize", path, "--no-save", "--track", 3, "--format", "json")
    (row,) = json.loads(out)
    assert (code, row["recording"]["track"], row["warnings"]) == (0, 3, [])
    code, _, err = run("recognize", path, "--no-save", "--track", 4)
    assert (code, "there is no track 4: it has 3 audio tracks" in err) == (1, True)
    assert run("recognize", path, "--track", 0)[0] == 2


def test_channels_that_cancel_are_saved_as_what_was_heard(run: Run, speech: np.ndarray, tmp_path: Path) -> None:
    stereo = np.rint(np.stack([0.9 * speech, -speech], axis=1) * 32767).astype(np.int16)
    (tmp_path / "wires.wav").write_bytes(wav(stereo, 16_000))
    code, out, _ = run("recognize", tmp_path / "wires.wav", "--archive")
    assert (code, "channels_cancel" in out) == (0, True)
    (place,) = Path("outputs").glob("outputs_*")
    assert json.loads((place / "result.json").read_text())["recording"]["channel"] == 2


def test_speech_alone_counts_as_asked(run: Run, examples: list[Path], encode: Callable[..., Path]) -> None:
    path = call(encode, examples)
    for arguments, expected in (
        ((), [False]),
        (("--speech-only",), [True]),
        (("--channels", "split"), [True, True]),
        (("--channels", "split", "--no-speech-only"), [False, False]),
    ):
        _, out, _ = run("recognize", path, "--no-save", "--format", "json", *arguments)
        assert [item["speech_only"] for item in json.loads(out)] == expected


def test_much_silence_is_warned_of(run: Run, encode: Callable[..., Path], speech: np.ndarray) -> None:
    path = encode(
        np.concatenate([speech, np.zeros(20 * 16_000, np.float32)]), "x.wav", "pcm_s16le", sample_format="s16"
    )
    assert "! mostly_silence: less than a third is speech" in run("recognize", path, "--no-save")[1]
    assert "mostly_silence" not in run("recognize", path, "--no-save", "--speech-only")[1]
