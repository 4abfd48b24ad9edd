from dataclasses import replace

import pytest

from emovox.exports import EXPORTERS
from emovox.exports.exporter import Exporter, check_exporter

LINES = Exporter("Lines", "a line each", ".lines", "text/plain", {"segments": lambda given, file: None})


def check(**changes: object) -> None:
    check_exporter("x", replace(LINES, **changes), EXPORTERS.values())  # type: ignore[arg-type]


def test_a_file_of_its_own_is_welcome() -> None:
    check()
    check(stem="lines", suffix=".json")
    check(suffix=".lines.xml", writers={"segments": print, "frames": print})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suffix": ".csv"}, "another file is called segments.csv: give it a stem or suffix of its own"),
        ({"suffix": ".textgrid"}, "another file is called segments.textgrid"),  # where case doesn't count
        ({"stem": "result", "suffix": ".json"}, "another file is called result.json"),
        ({"stem": "processed_audio", "suffix": ".wav"}, "another file is called processed_audio.wav"),
        ({"stem": "frames", "suffix": ".npz"}, "another file is called frames.npz"),
        ({"stem": "timeline", "suffix": ".png"}, "another file is called timeline.png"),
        ({"stem": "../up"}, "its files would be called ../up.lines, which is no name for one"),
        ({"suffix": "/x.y"}, "which is no name for one"),
        ({"suffix": ""}, "which is no name for one"),
        ({"writers": {}}, "it has to show one of segments, "),
        ({"writers": {"words": print}}, "it has to show one of segments, "),
    ],
)
def test_what_would_write_over_others_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace(".", r"\.")):
        check(**changes)
