from pathlib import Path
from typing import Any

import pytest

from emovox.errors import OptionsError, UnknownEmotionError
from emovox.models.mapping import read_mapping, with_mapping
from support import tiny

SOFT = tiny.classes("neu", "hap", "sad", "noise")
FURTHER = tiny.classes("low", "hap", name="further")


def test_a_file_and_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('\ufeff{"neu": "中性", "hap": " Happy "}', encoding="utf-8")
    assert read_mapping(path) == read_mapping(str(path)) == {"neu": "neutral", "hap": "happy"}
    assert read_mapping({"neu": "中性"}) == {"neu": "neutral"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '"neu"', '{"neu": 1}', '{"neu": null}', "{neu: 1}", "[" * 100_000, "\x00"]
)
def test_a_file_that_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OptionsError, match=r"map\.json"):
        read_mapping(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"\xe4": "sad"}')
    (tmp_path / "long").write_bytes(b" " * 300_000)
    for name, reason in [
        ("none", "No such file"),
        (".", "can't be read"),
        ("latin", "JSON"),
        ("long", "too large"),
    ]:
        with pytest.raises(OptionsError, match=reason):
            read_mapping(tmp_path / name)


def test_a_name_that_is_none_of_the_nine() -> None:
    with pytest.raises(UnknownEmotionError, match="'calm': unknown emotion 'calm'; the nine are angry 愤怒"):
        read_mapping({"calm": "calm"})


def test_it_overrides_and_leaves_the_rest() -> None:
    metadata = tiny.metadata(readouts=(SOFT, FURTHER))
    mapped = with_mapping(metadata, {"neu": "neutral", "hap": "happy", "sad": "other"})
    soft, further = mapped.readouts
    assert soft.emotions == {"neu": "neutral", "hap": "happy", "sad": "other"}
    assert further.emotions == {"hap": "happy"}
    assert not soft.gives_emotions
    whole = with_mapping(mapped, {"noise": "unknown"})
    assert whole.emotions is not None
    assert whole.classes == ("happy", "neutral", "other", "unknown")
    assert metadata.readouts == (SOFT, FURTHER), "the first is as it was"
    assert with_mapping(metadata, {}) == metadata


def test_a_label_that_the_model_has_not() -> None:
    with pytest.raises(OptionsError, match="tiny has no label 'ang': its labels are neu, hap, sad, noise"):
        with_mapping(tiny.metadata(readouts=(SOFT,)), {"neu": "neutral", "ang": "angry"})


@pytest.mark.parametrize("readouts", [(), (tiny.MOODS,), (tiny.DIMENSIONS,)])
def test_what_the_nine_do_not_follow_from(readouts: Any) -> None:
    with pytest.raises(OptionsError, match="nothing to map"):
        with_mapping(tiny.metadata(readouts=readouts, embedding_size=1), {"tired": "sad"})
    mixed = tiny.metadata(readouts=(*readouts, SOFT))
    assert with_mapping(mixed, {"neu": "neutral"}).readouts[:-1] == readouts
