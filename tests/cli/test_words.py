"""`emovox recognize --words`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emovox.inference.recognition import WARNINGS
from support.transcribers import ANSWERS

Run = Callable[..., tuple[int, str, str]]
TEXT = "Das schwarze Blatt Papier befindet sich da oben neben dem Holzstück."


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "sad" in path.name)


@pytest.fixture
def words(tmp_path: Path, clip: Path) -> Path:
    """A directory with the words of one of the examples, as a transcriber gave them."""
    directory = tmp_path / "words"
    directory.mkdir()
    (directory / f"{clip.stem}.srt").write_bytes((ANSWERS / "answer.srt").read_bytes())
    return directory


@pytest.mark.parametrize("kind", ["srt", "vtt", "json"])
def test_lines_are_printed_and_saved(run: Run, clip: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes((ANSWERS / f"answer.{'verbose_json' if kind == 'json' else kind}").read_bytes())
    code, out, error = run("recognize", clip, "--words", path, "--export", "srt,csv")
    assert code == 0, error
    [shown] = [row for row in out.splitlines() if TEXT in row]
    times = [row.split()[0] for row in out.splitlines() if " – " in row]
    assert times == ["0:00.0"], "the lines, without the segments that the export needs"
    assert shown.split()[:7] == ["0:00.0", "–", "0:05.1", "😢", "sad", *shown.split()[5:7]]
    [directory] = Path("outputs").glob("outputs_*")
    [line] = json.loads((directory / "result.json").read_text(encoding="utf-8"))["lines"]
    assert (line["start"], line["end"], line["text"], line["emotion"]) == (0, 5.06, TEXT, "sad")
    assert TEXT in (directory / "lines.srt").read_text(encoding="utf-8")
    assert TEXT in (directory / "lines.csv").read_text(encoding="utf-8")
    assert run("export", directory, "--format", "vtt")[0] == 0
    assert TEXT in (directory / "lines.vtt").read_text(encoding="utf-8")


def test_csv_has_a_row_for_each_line(run: Run, clip: Path, words: Path) -> None:
    code, out, _ = run("recognize", clip, "--words", words, "--format", "csv", "--no-save", "--quiet")
    assert code == 0
    [row] = csv.DictReader(out.splitlines())
    assert (row["start"], row["end"], row["text"], row["emotion"]) == ("0.000", "5.060", TEXT, "sad")


def test_a_directory_has_those_of_several_recordings(
    run: Run, examples: list[Path], clip: Path, words: Path
) -> None:
    code, out, _ = run("recognize", *examples[:4], "--words", words, "--format", "jsonl", "--no-save", "--quiet")
    assert code == 0
    results = {Path(item["path"]).name: item for item in map(json.loads, out.splitlines())}
    assert [name for name, item in results.items() if "lines" in item] == [clip.name]


def test_recordings_without_words_are_named(run: Run, examples: list[Path], clip: Path, words: Path) -> None:
    others = [path for path in examples if path != clip][:2]
    (words / f"{others[0].stem}.srt").touch()
    code, out, error = run("recognize", clip, *others, "--words", words, "--format", "csv", "--no-save")
    assert code == 0, error
    assert len(list(csv.DictReader(out.splitlines()))) == 1
    assert f"2 of 3 recordings have no words there: {others[0]}, {others[1]}" in error


def test_the_name_of_the_recording_goes_before_its_stem(run: Run, clip: Path, words: Path) -> None:
    (words / f"{clip.name.upper()}.VTT").write_text("WEBVTT\n\n00:00.500 --> 00:02.000\nmine\n")
    _, out, _ = run("recognize", clip, "--words", words, "--format", "jsonl", "--no-save", "--quiet")
    assert [line["text"] for line in json.loads(out)["lines"]] == ["mine"]


def test_what_cannot_be_meant_is_refused_before_anything_is_recognised(
    run: Run, examples: list[Path], clip: Path, words: Path, tmp_path: Path
) -> None:
    file = words / f"{clip.stem}.srt"
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text.srt").write_text("no times")
    for arguments, advice in (
        ([*examples, "--words", file], "of several name a directory"),
        ([clip, "--words", empty], "no file there is called like a recording"),
        ([clip, "--words", tmp_path / "text.srt"], "there are no words with times in it"),
        ([clip, "--words", tmp_path / "gone.srt"], "does not exist"),
    ):
        code, out, error = run("recognize", *arguments)
        assert (code, out) == (2, ""), error
        assert advice in error


@pytest.mark.parametrize(
    ("times", "code"),
    [
        (["00:00:00,000 --> 00:00:02,000", "00:00:07,000 --> 00:00:09,000"], "words_beyond_end"),
        (
            ["00:00:00,000 --> 00:00:02,000", "00:00:05,340 --> 00:00:06,000", "00:00:05,350 --> 00:00:06,200"],
            "words_without_speech",
        ),
        (["00:00:00,000 --> 00:00:02,000", "00:00:05,500 --> 00:00:06,000"], ""),
    ],
)
def test_words_of_another_recording_are_remarked_on(
    run: Run, clip: Path, tmp_path: Path, times: list[str], code: str
) -> None:
    path = tmp_path / "other.srt"
    path.write_text("".join(f"{number}\n{line}\na\n\n" for number, line in enumerate(times, 1)))
    arguments = ("recognize", clip, "--words", path, "--format", "json", "--no-save")
    _, out, error = run(*arguments)
    assert [item for item in json.loads(out)[0]["warnings"] if item.startswith("words_")] == [code] * bool(code)
    assert (f"--words {path}: {clip}: {WARNINGS[code]}" in error) if code else "--words" not in error
    assert "--words" not in run(*arguments, "--quiet")[2]
