from pathlib import Path

import pytest

from emovox.archive import Archive
from emovox.archive.flags import Flag
from emovox.archive.rule import Rule
from emovox.errors import ArchiveError, FilterError


def test_flags_are_kept(database: str, tmp_path: Path) -> None:
    with Archive() as archive:
        archive.flags.put("投诉", "愤怒 >= 60% 持续 3 秒")
        archive.flags.put("loud", "arousal > 0.7")
        archive.flags.put("loud", "arousal > 0.8")  # in the place of the other
    with Archive() as archive:
        loud, complaint = (
            Flag("loud", Rule.parse("arousal > 0.8")),
            Flag("投诉", Rule.parse("angry >= 60% for 3s")),
        )
        assert archive.flags.all() == [loud, complaint]
        assert archive.flags.rule(" loud ") == loud.rule
        assert archive.flags.rule("sad > 1%") == Rule.parse("sad > 1%")
        assert archive.flags.remove("loud")
        assert not archive.flags.remove("loud")
        with pytest.raises(FilterError, match="rule 'loud'"):
            archive.flags.rule("loud")


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb"])
def test_a_name_can_be_read(name: str, tmp_path: Path) -> None:
    with Archive(tmp_path / "a.db") as archive, pytest.raises(ArchiveError, match="1 to 100 printable"):
        archive.flags.put(name, "angry > 60%")
