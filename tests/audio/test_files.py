from pathlib import Path

import pytest

from emovox.audio.files import find
from emovox.errors import RecordingNotFoundError, UnreadableAudioError
from support.depths import too_deep


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in [
        "b.WAV", "a.mp3", "notes.txt", ".hidden.wav", "deep/er/film.mkv", ".cache/x.wav",
        "outputs/outputs_20240104_223000/processed_audio.wav", "outputs/outputs_20240104_223000/result.json",
        "outputs_of_the_day/call.ogg", "empty/readme.md",
    ]:  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(root: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_a_directory_is_searched_without_hidden_files_and_our_own_outputs(tree: Path) -> None:
    assert names(tree, find(str(tree))) == ["a.mp3", "b.WAV", "deep/er/film.mkv", "outputs_of_the_day/call.ogg"]


def test_a_file_is_itself_whatever_its_name(tree: Path) -> None:
    assert find(str(tree / "notes.txt")) == [tree / "notes.txt"]


def test_an_outputs_directory_named_by_itself_is_searched(tree: Path) -> None:
    place = tree / "outputs" / "outputs_20240104_223000"
    assert find(str(place)) == [place / "processed_audio.wav"]


def test_globs(tree: Path) -> None:
    assert names(tree, find(str(tree / "*.mp3"))) == ["a.mp3"]
    assert names(tree, find(str(tree / "**" / "*.mkv"))) == ["deep/er/film.mkv"]
    assert names(tree, find(str(tree / "d*"))) == ["deep/er/film.mkv"]
    assert names(tree, find(str(tree / "deep" / "**"))) == ["deep/er/film.mkv"], "each once"


def test_a_name_with_brackets_is_a_name_first(tree: Path) -> None:
    (tree / "take [1].wav").touch()
    assert find(str(tree / "take [1].wav")) == [tree / "take [1].wav"]


def test_a_directory_that_can_not_be_read_costs_itself(tree: Path) -> None:
    last = too_deep(tree)
    (tree / "empty/circle").symlink_to("circle")
    for argument, found in ((tree, ["a.mp3", "b.WAV", "deep/er/film.mkv", "outputs_of_the_day/call.ogg"]),
                            (tree / "**/*.mkv", ["deep/er/film.mkv"])):  # fmt: skip
        failures: list[tuple[Path, str]] = []
        assert names(tree, find(str(argument), failed=lambda *told: failures.append(told))) == found  # noqa: B023
        assert sorted(failures) == [
            (last, "File name too long"), (tree / "empty/circle", "Too many levels of symbolic links")
        ]  # fmt: skip
    assert find(str(tree / "empty"), failed=lambda *_: None) == [], "which was said already"
    with pytest.raises(UnreadableAudioError, match="empty/circle: Too many levels"):
        find(str(tree / "empty"))
    assert find(str(last)) == [last], "opening it says what is wrong"


def test_nothing_found_is_said(tree: Path) -> None:
    with pytest.raises(RecordingNotFoundError, match="is a variable unset"):
        find("")
    with pytest.raises(RecordingNotFoundError, match="no audio or video file"):
        find(str(tree / "empty"))
    with pytest.raises(RecordingNotFoundError, match="nothing matches"):
        find(str(tree / "*.flac"))
    with pytest.raises(RecordingNotFoundError, match=r"https://host/call\.mp3: only files on this machine"):
        find("https://host/call.mp3")
    assert find(str(tree / "gone.wav")) == [tree / "gone.wav"], "opening it says that it is missing"
