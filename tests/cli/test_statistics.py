import json
from collections.abc import Callable

import pytest

from emovox.archive import Archive
from support.records import record, without_nine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def _archived(run: Run) -> None:
    with Archive() as archive:
        archive.add_records(without_nine(number) for number in range(4))
        archive.add_records([record(10)])
        archive.tag(record(1).sha256, "x")


@pytest.mark.usefixtures("_archived")
def test_what_readouts_gave_is_counted(run: Run) -> None:
    code, out, err = run("archive", "stats")
    assert (code, err.strip()) == (0, "to see arousal and valence: emovox archive plane")
    parts = {part.splitlines()[0]: part.splitlines()[1:] for part in out.split("\n\n")}
    assert parts["by emotion"] == ["  disgusted         1   20.0 %"]
    assert parts["by emotion.label"] == ["  calma          2   50.0 %", "  rabbia         2   50.0 %"]
    lines = [" ".join(line.split()) for line in parts["dimensions: mean ± standard deviation"]]
    assert lines[:2] == ["arousal valence", "all 4 0.15 ± 0.13 0.50 ± 0.00"]
    assert lines[-2:] == ["#x 1 0.10 0.50", "foreign 4 0.15 ± 0.13 0.50 ± 0.00"]
    facts = json.loads(run("archive", "stats", "--format", "json", "--filter", "arousal>0.15")[1])
    assert facts["recognitions"] == 2
    assert facts["readouts"]["emotion"]["by_label"] == {"calma": 1, "rabbia": 1}
    assert facts["readouts"]["dimensions"]["values"]["arousal"]["mean"] == pytest.approx(0.25)


@pytest.mark.usefixtures("_archived")
def test_a_name_that_nothing_has_is_a_wrong_command(run: Run) -> None:
    code, out, err = run("archive", "stats", "--filter", "anger>0.7")
    assert (code, out) == (2, "")
    assert err.startswith("Error: no number in the archive is called 'anger': it has dimensions.arousal, ")
