from pathlib import Path

import pytest

from emovox.errors import ModelError
from emovox.models.converted import clips


def test_the_examples_are_there() -> None:
    found = clips.example_clips()
    assert len(found) == 7
    assert all(16_000 < len(clip) < 160_000 for clip in found)


def test_the_scene_is_no_clip() -> None:
    [scene] = clips.scene_files()
    assert scene.name == "emodb_08_four_emotions.flac"
    assert scene not in clips.example_files()


def test_an_installation_without_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "_DIRECTORIES", (tmp_path,))
    with pytest.raises(ModelError, match="example recordings"):
        clips.example_clips.__wrapped__()
