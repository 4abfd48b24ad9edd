import os
from pathlib import Path

import pytest

from emovox.assistants.folders import Folders
from emovox.errors import OptionsError, RecordingNotFoundError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two recordings, beside a secret."""
    root = tmp_path / "data" / "interviews"
    (root / "june").mkdir(parents=True)
    for name in ("a.wav", "june/b.mp3", "notes.txt", ".hidden.wav"):
        (root / name).touch()
    (tmp_path / "secret.wav").touch()
    return root


def test_what_is_in_it_has_its_name(root: Path) -> None:
    folders = Folders({"interviews": root})
    assert folders.names == ["interviews"]
    assert (
        folders.recordings() == folders.recordings("interviews") == ["interviews/a.wav", "interviews/june/b.mp3"]
    )
    assert folders.path("interviews/june/b.mp3") == (root / "june" / "b.mp3").resolve()
    assert folders.name(root / "june" / "b.mp3") == "interviews/june/b.mp3"
    assert folders.name(root.parent / "c.wav") is folders.name(None) is folders.name(root) is None
    assert folders.without_paths(f"{root.resolve()}/a.wav: damaged") == "interviews/a.wav: damaged"


@pytest.mark.parametrize(
    "name",
    [
        *("interviews/../../secret.wav", "interviews//etc/hostname", "interviews/june/../../../secret.wav"),
        *("/etc/hostname", "../secret.wav", "secret.wav", "others/a.wav", "interviews", "interviews/", ""),
        *("interviews/june", "interviews/none.wav", "interviews/a\0.wav", "interviews/link.wav"),
        *("interviews/linked/secret.wav", "interviews/pipe.wav", "interviews/" + 5000 * "x", "interviews/circle"),
    ],
)
def test_no_path_leads_out(root: Path, tmp_path: Path, name: str) -> None:
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "linked").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    os.mkfifo(root / "pipe.wav")
    folders = Folders({"interviews": root})
    with pytest.raises(RecordingNotFoundError) as caught:
        folders.path(name)
    assert str(tmp_path) not in str(caught.value)


def test_links_that_stay_inside_are_followed(root: Path, tmp_path: Path) -> None:
    (root / "again.wav").symlink_to(root / "a.wav")
    (root / "out.wav").symlink_to(tmp_path / "secret.wav")
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    folders = Folders({"interviews": linked})  # whoever grants it may grant a link
    assert folders.path("interviews/again.wav") == (root / "a.wav").resolve()
    assert "interviews/again.wav" in folders.recordings()
    assert "interviews/out.wav" not in folders.recordings()


def test_another_folder_isnt_granted_by_the_beginning_of_its_name(root: Path) -> None:
    other = root.with_name("interviews-private")
    other.mkdir()
    (other / "a.wav").touch()
    with pytest.raises(RecordingNotFoundError):
        Folders({"interviews": root}).path("interviews/../interviews-private/a.wav")


def test_an_empty_folder_has_no_recordings(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folders = Folders({"empty": tmp_path / "empty", "interviews": root})
    assert folders.recordings("empty") == []
    assert len(folders.recordings()) == 2
    with pytest.raises(RecordingNotFoundError, match="granted: empty, interviews"):
        folders.recordings("others")


@pytest.mark.parametrize("name", ["a/b", "", "outputs_1", "..", "a b"])
def test_names_that_would_be_something_else_are_refused(root: Path, name: str) -> None:
    with pytest.raises(OptionsError, match="a name has"):
        Folders({name: root})


def test_a_folder_must_be_there(root: Path) -> None:
    with pytest.raises(OptionsError, match="no directory"):
        Folders({"interviews": root / "a.wav"})


def test_a_name_that_is_no_utf_8_is_shown_and_found(root: Path) -> None:
    (root / os.fsdecode(b"l\xe9.wav")).touch()
    folders = Folders({"interviews": root})
    [name] = [name for name in folders.recordings() if "/l" in name]
    assert name.encode("utf-8") == rb"interviews/l\xe9.wav"
    assert os.fsencode(folders.path(name).name) == b"l\xe9.wav"
    assert folders.name(folders.path(name)) == name
    with pytest.raises(RecordingNotFoundError):
        folders.path("interviews/l\udce8.wav")


def test_accents_are_found_however_they_are_written(root: Path, tmp_path: Path) -> None:
    (root / "june" / "rene\u0301.wav").touch()
    (root / "out\u0308.wav").symlink_to(tmp_path / "secret.wav")
    folders = Folders({"interviews": root})
    assert folders.path("interviews/june/ren\u00e9.wav") == folders.path("interviews/june/rene\u0301.wav")
    with pytest.raises(RecordingNotFoundError):
        folders.path("interviews/ou\u1e97.wav")
    with pytest.raises(RecordingNotFoundError, match="no such file"):
        folders.path("interviews/ren\u00e9.wav")
