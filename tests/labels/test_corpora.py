import json
from pathlib import Path

import pytest

from emovox.errors import LabelsError
from emovox.labels.corpora import LAYOUTS, SHAPES, read_layout
from support.depths import too_deep


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(layout: str, place: Path) -> dict[str, tuple[str, dict[str, str]]]:
    return {row.name: (row.label, dict(row.groups)) for row in read_layout(layout, place)}


def test_emodb(tmp_path: Path) -> None:
    rows = found(
        "emodb", lay(tmp_path, "wav/03a01Fa.wav", "wav/16b10Lb.flac", "wav/readme.wav", "lablaut/03a01Fa.lablaut")
    )
    assert rows == {
        "wav/03a01Fa.wav": ("happy", {"speaker": "03", "gender": "male", "language": "de", "text": "a01"}),
        "wav/16b10Lb.flac": ("other", {"speaker": "16", "gender": "female", "language": "de", "text": "b10"}),
    }


def test_ravdess(tmp_path: Path) -> None:
    place = lay(
        tmp_path,
        "Actor_12/03-01-06-02-02-01-12.wav",
        "Actor_01/03-02-02-01-01-01-01.wav",
        "02-01-06-01-02-01-12.mp4",
    )
    rows = found("ravdess", place)
    assert len(rows) == 2
    assert rows["Actor_12/03-01-06-02-02-01-12.wav"] == (
        "fearful",
        {
            "speaker": "12",
            "gender": "female",
            "language": "en",
            "kind": "speech",
            "intensity": "strong",
            "text": "02",
        },
    )
    assert rows["Actor_01/03-02-02-01-01-01-01.wav"][0] == "calm"
    assert rows["Actor_01/03-02-02-01-01-01-01.wav"][1]["kind"] == "song"


def test_crema_d(tmp_path: Path) -> None:
    rows = found(
        "crema-d",
        lay(
            tmp_path,
            "AudioWAV/1001_DFA_ANG_XX.wav",
            "AudioWAV/1076_MTI_NEU_XX.wav",
            "AudioWAV/1001_IEO_SAD_LO.wav",
        ),
    )
    assert [label for label, _ in rows.values()] == ["angry", "sad", "neutral"]
    assert rows["AudioWAV/1001_IEO_SAD_LO.wav"][1]["intensity"] == "low"


def test_esd(tmp_path: Path) -> None:
    rows = found(
        "esd",
        lay(
            tmp_path, "0011/Angry/0011_000351.wav", "0003/Surprise/test/0003_001401.wav", "0011/x/0011_000001.wav"
        ),
    )
    assert rows == {
        "0003/Surprise/test/0003_001401.wav": ("Surprise", {"speaker": "0003", "language": "zh"}),
        "0011/Angry/0011_000351.wav": ("Angry", {"speaker": "0011", "language": "en"}),
    }


def test_iemocap(tmp_path: Path) -> None:
    notes = lay(tmp_path, "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt") / "Session1/dialog/EmoEvaluation"
    (notes / "Ses01F_impro01.txt").write_text(
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
        "[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 2.5000, 2.5000]\n"
    )
    rows = read_layout("iemocap", tmp_path)
    assert [row.label for row in rows] == ["neu", "xxx"]
    assert rows[0].path == tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert [row.groups["speaker"] for row in rows] == ["Ses01F", "Ses01M"]
    assert rows[1].groups["gender"] == "male"


def test_emobox(tmp_path: Path) -> None:
    split = tmp_path / "EmoBox/data/emodb/fold_1/emodb_test_fold_1.jsonl"
    lay(tmp_path, "EmoBox/downloads/emodb/wav/03a02Wb.wav", str(split.relative_to(tmp_path)))
    row = {
        "key": "emodb-03a02Wb",
        "dataset": "emodb",
        "wav": "downloads/emodb/wav/03a02Wb.wav",
        "emo": "anger",
        "length": 2.1,
    }
    split.write_text(json.dumps(row) + "\n")
    old = {"key": row["key"], "dataset": "emodb", "audio": row["wav"], "label": "anger"}
    split.with_name("emodb_test_fold1.jsonl").write_text(json.dumps(old) + "\n")
    for place in (split, tmp_path / "EmoBox/data/emodb"):
        [heard] = read_layout("emobox", place)
        assert heard.path == tmp_path / "EmoBox/downloads/emodb/wav/03a02Wb.wav"
        assert (heard.label, heard.groups["speaker"], heard.groups["corpus"]) == ("anger", "03", "emodb")
        assert heard.groups["fold"] == "1"


def test_what_can_not_be_read_costs_itself(tmp_path: Path) -> None:
    last = too_deep(lay(tmp_path, "wav/03a01Fa.wav", "Session1/dialog/EmoEvaluation/x.txt", "a_test.jsonl"))
    (tmp_path / "a_test.jsonl").write_text('{"wav": "a.wav", "emo": "anger"}')
    (tmp_path / "Session1/dialog/EmoEvaluation/x.txt").write_text("[6.2 - 8.2]\tSes01F_impro01_F000\tneu\t[2]\n")
    for layout in ("emodb", "iemocap", "emobox"):
        failures: list[tuple[Path, str]] = []
        assert len(read_layout(layout, tmp_path, failed=lambda *told: failures.append(told))) == 1  # noqa: B023
        assert failures == [(last, "File name too long")]
        with pytest.raises(LabelsError, match="d: File name too long"):
            read_layout(layout, tmp_path)
        with pytest.raises(LabelsError, match="d: File name too long"):
            read_layout(layout, last)


def test_nothing_of_the_kind(tmp_path: Path) -> None:
    assert set(SHAPES) == set(LAYOUTS)
    for layout in LAYOUTS:
        with pytest.raises(LabelsError, match="no files named as those of"):
            read_layout(layout, tmp_path)
    with pytest.raises(LabelsError, match="no such directory"):
        read_layout("emodb", tmp_path / "none")
    with pytest.raises(LabelsError, match="no layout 'x': choose emodb"):
        read_layout("x", tmp_path)
