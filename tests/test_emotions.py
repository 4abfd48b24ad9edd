import pytest

from emovox.emotions import BY_NAME, EMOTIONS, NAMES, check_names
from emovox.errors import UnknownEmotionError


def test_the_nine_in_their_order() -> None:
    assert [f"{emotion.name} {emotion.chinese}" for emotion in EMOTIONS] == [
        "angry 愤怒", "disgusted 厌恶", "fearful 恐惧", "happy 快乐", "neutral 中性", "other 其他", "sad 悲伤",
        "surprised 惊讶", "unknown 未知",
    ]  # fmt: skip
    assert len({emotion.emoji for emotion in EMOTIONS}) == len({emotion.colour for emotion in EMOTIONS}) == 9
    assert all(BY_NAME[name].name == name for name in NAMES)


def test_names_are_checked_and_put_in_order() -> None:
    assert check_names(["sad", "happy", "sad"]) == ("happy", "sad")
    with pytest.raises(UnknownEmotionError, match="'joy'; the nine are angry 愤怒, "):
        check_names(["happy", "joy"])
    with pytest.raises(UnknownEmotionError, match="at least one"):
        check_names([])


def test_chinese_names_are_understood() -> None:
    assert check_names(["悲伤", "happy", "快乐"]) == ("happy", "sad")
    with pytest.raises(UnknownEmotionError, match="angry 愤怒"):
        check_names(["愤慨"])
