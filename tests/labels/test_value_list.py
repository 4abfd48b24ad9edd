from pathlib import Path

import pytest

from emovox.errors import LabelsError
from emovox.labels.value_list import read_values

NAMES = ("arousal", "dominance", "valence")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "rated.csv"


def test_columns_are_found_by_their_names_and_by_what_is_said(manifest: Path) -> None:
    manifest.write_text("Path;Arousal;val;speaker\na.wav;1,5;-2;anna\nb.wav;;3e0;bert\na.wav;1.5;-2;anna\n")
    rows = read_values(manifest, NAMES, columns={"valence": "VAL"})
    assert [(row.name, row.values, row.groups) for row in rows] == [
        ("a.wav", {"arousal": 1.5, "valence": -2}, {"speaker": "anna"}),
        ("b.wav", {"valence": 3}, {"speaker": "bert"}),
    ]
    assert rows[0].path == manifest.parent / "a.wav"
    assert [row.values for row in read_values(manifest, NAMES)] == [{"arousal": 1.5}, {}]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        (
            "path,act\na,1\n",
            {},
            "no column arousal or dominance or valence; it has path, act.*--label-column arousal=",
        ),
        ("path,act\na,1\n", {"arousal": "x"}, "no column 'x'; it has path, act"),
        ("path,act\na,1\n", {"activation": "act"}, "no value 'activation': the model gives arousal, dominance"),
        ("path,arousal\na,1\nb,high\n", {}, "row 2, arousal: 'high' is not a number"),
        ("path,arousal\na,nan\n", {}, "row 1, arousal: 'nan' is not a number"),
        ("path,arousal\na,1\na,2\n", {}, "a is rated twice, and differently"),
        ("path,arousal\n,1\n", {}, "row 1 has no path"),
        ("path,arousal\na,\n", {}, "arousal: every cell is empty"),
        ("path,arousal\n", {}, "the list is empty"),
    ],
)
def test_what_can_t_be_used_is_said(manifest: Path, text: str, columns: dict[str, str], said: str) -> None:
    manifest.write_text(text)
    with pytest.raises(LabelsError, match=said):
        read_values(manifest, NAMES, columns=columns)
