import re
from pathlib import Path
from typing import Literal

import pytest
from praatio import textgrid

from emovox import exports
from emovox.errors import LabelsError
from emovox.labels import read_labels, read_values
from emovox.labels.annotations import media_of_eaf, read_audacity, read_eaf, read_textgrid
from emovox.labels.label_list import find_group
from support.results import recognition, recording, segment

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Emotion"
        xmin = 0
        xmax = 5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = ""
        intervals [2]:
            xmin = 1.5
            xmax = 3
            text = "angry"
        intervals [3]:
            xmin = 3
            xmax = 5
            text = "he said ""no"" 5"
    item [2]:
        class = "TextTier"
        name = "breath"
        xmin = 0
        xmax = 5
        points: size = 1
        points [1]:
            number = 2.5
            mark = "in"
    item [3]:
        class = "IntervalTier"
        name = "arousal"
        xmin = 0
        xmax = 5
        intervals: size = 1
        intervals [1]:
            xmin = 1.5
            xmax = 3
            text = "0.9"
"""
SHORT = (
    '"ooTextFile"\n"TextGrid"\n0\n5\n<exists>\n1\n"IntervalTier"\n"label"\n0\n5\n2\n0\n2\n"sad"\n2\n5\n"2 happy"\n'
)
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
<HEADER TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/elsewhere/the%20call.wav" RELATIVE_MEDIA_URL="../the%20call.wav"/>
</HEADER>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="250"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="1750"/>
<TIME_SLOT TIME_SLOT_ID="t3" TIME_VALUE="2000"/><TIME_SLOT TIME_SLOT_ID="t4" TIME_VALUE="2500"/>
<TIME_SLOT TIME_SLOT_ID="t5"/>
</TIME_ORDER>
<TIER TIER_ID="arousal" PARTICIPANT="anna"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="b1" ANNOTATION_REF="a1"><ANNOTATION_VALUE>0.8</ANNOTATION_VALUE></REF_ANNOTATION>
</ANNOTATION></TIER>
<TIER TIER_ID="emotion" PARTICIPANT="anna"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>angry</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
</ANNOTATION><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="t3" TIME_SLOT_REF2="t4">
<ANNOTATION_VALUE>sad</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
</ANNOTATION><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="t4" TIME_SLOT_REF2="t5">
<ANNOTATION_VALUE>happy</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
</ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


def lay(path: Path, text: str, recording_name: str | None = None, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    (path.parent / (recording_name or f"{path.stem}.wav")).touch()
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_the_intervals_of_a_textgrid(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""  # as Praat writes what isn't ASCII
    rows = list(read_textgrid(lay(tmp_path / "call.TextGrid", mark + LONG, encoding=encoding)))
    assert rows == [
        {"start": "1.5", "end": "3", "Emotion": "angry", "arousal": "0.9"},
        {"start": "3", "end": "5", "Emotion": 'he said "no" 5'},
    ]


def test_the_short_form_of_a_textgrid(tmp_path: Path) -> None:
    rows = list(read_textgrid(lay(tmp_path / "call.TextGrid", SHORT)))
    assert [(row["start"], row["end"], row["label"]) for row in rows] == [("0", "2", "sad"), ("2", "5", "2 happy")]


def test_they_are_labels_and_ratings(tmp_path: Path) -> None:
    path = lay(tmp_path / "call.TextGrid", LONG)
    first, second = read_labels(path)
    assert (first.path, first.label, first.name) == (tmp_path / "call.wav", "angry", "call.wav#t=1.5,3")
    assert (first.span, second.span) == ((1.5, 3), (3, 5))
    assert dict(first.groups) == {"arousal": "0.9", "recording": "call.wav"}
    [rated] = read_values(path, ["arousal", "valence"])
    assert (rated.span, rated.values) == ((1.5, 3), {"arousal": 0.9})
    assert dict(rated.groups)["recording"] == "call.wav"
    with pytest.raises(LabelsError, match="no column 'mood'; it has path, Emotion, arousal"):
        read_labels(path, labels="mood")


def test_stretches_are_held_out_by_recording_where_nobody_says_who_speaks(tmp_path: Path) -> None:
    rows = [row for name in ("call", "talk") for row in read_labels(lay(tmp_path / f"{name}.TextGrid", LONG))]
    assert find_group(rows, None, tmp_path) == "recording"
    assert find_group(rows[:2], None, tmp_path) is None  # there is no other


def test_an_eaf_file_names_its_recording_and_speakers(tmp_path: Path) -> None:
    path = lay(tmp_path / "notes.eaf", EAF, "the call.wav")
    assert list(read_eaf(path)) == [
        {"start": "0.25", "end": "1.75", "arousal": "0.8", "speaker": "anna", "emotion": "angry"},
        {"start": "2", "end": "2.5", "emotion": "sad", "speaker": "anna"},
    ]
    assert media_of_eaf(path) == ["../the call.wav", "the call.wav", "/C:/elsewhere/the call.wav"]
    assert {row.path for row in read_labels(path)} == {tmp_path / "the call.wav"}
    assert [row.groups["speaker"] for row in read_labels(path)] == ["anna", "anna"]


def test_a_label_track(tmp_path: Path) -> None:
    text = "0.5\t1.25\tangry 87 %\n\\\t100\t200\n2\t3\tvery sad\n3\t3\ta point\n"
    rows = list(read_audacity(lay(tmp_path / "call.txt", text)))
    assert [(row["start"], row["end"], row["label"]) for row in rows] == [
        ("0.5", "1.25", "angry"), ("2", "3", "very sad"),
    ]  # fmt: skip


def test_a_table_in_a_text_file_is_still_one(tmp_path: Path) -> None:
    path = lay(tmp_path / "list.txt", "path\tlabel\na.wav\tsad\n")
    assert [(row.name, row.label, row.span) for row in read_labels(path)] == [("a.wav", "sad", None)]


@pytest.mark.parametrize(("form", "file"), [("textgrid", "segments.TextGrid"), ("audacity", "segments.txt")])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_exported_is_read(tmp_path: Path, form: str, file: str, language: exports.Language) -> None:
    result = recognition(recording=recording(10), segments=[segment(1, 2, "angry"), segment(4.25, 6, "sad")])
    exports.write(result, tmp_path, [form], language=language)
    (tmp_path / "processed_audio.wav").touch()
    rows = read_labels(tmp_path / file)
    assert [row.label for row in rows] == (["angry", "sad"] if language == "en" else ["愤怒", "悲伤"])
    assert [row.span for row in rows] == [(1, 2), (4.25, 6)]
    assert {row.path for row in rows} == {tmp_path / "processed_audio.wav"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("call.TextGrid", "ooBinaryFile\x08TextGrid", "a binary TextGrid: save it in Praat as a text file"),
        ("call.TextGrid", '"Praat chronological TextGrid text file"\n0 5', "not a TextGrid in text form"),
        ("call.TextGrid", LONG[:-60], "damaged TextGrid, or cut short"),
        ("call.TextGrid", LONG.replace("size = 3\nitem", "size = 9\nitem"), "damaged TextGrid, or cut short"),
        ("call.TextGrid", LONG.replace("xmax = 1.5\n            text = \"\"", 'xmax = -1\n            text = "x"'),
         "'x' goes from 0 s to -1 s"),
        ("call.eaf", "<html/>", "its root is html"),
        ("call.eaf", "<ANNOTATION_DOCUMENT>", "not valid XML"),
        ("call.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT/>', "declares a document type"),
        ("call.eaf", EAF.replace('TIME_VALUE="250"', 'TIME_VALUE="soon"'), "damaged EAF file"),
        ("call.txt", "0\t1\tsad\nhappy\n", "line 2 has no start, end and label"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused_in_words(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = lay(tmp_path / name, text)
    with pytest.raises(LabelsError, match=f"^{re.escape(str(path))}: .*{reason}"):
        read_labels(path)


def test_it_must_be_known_which_recording_it_is(tmp_path: Path) -> None:
    path = lay(tmp_path / "call.TextGrid", LONG)
    (tmp_path / "call.mp3").touch()
    with pytest.raises(LabelsError, match=r"both call\.mp3 and call\.wav are beside it"):
        read_labels(path)
    for file in tmp_path.glob("call.[mw]*"):
        file.unlink()
    with pytest.raises(LabelsError, match=r"no recording called call\.\* is beside it"):
        read_labels(path)


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
def test_what_another_program_writes(tmp_path: Path, form: Literal["short_textgrid", "long_textgrid"]) -> None:
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("emo", [(0.5, 1.25, "sad"), (1.25, 2, 'so "called"')], 0, 3))
    grid.addTier(textgrid.PointTier("pitch", [(0.75, "120")], 0, 3))
    path = lay(tmp_path / "call.TextGrid", "")
    grid.save(str(path), format=form, includeBlankSpaces=True)
    rows = read_labels(path)
    assert [(row.span, row.label) for row in rows] == [((0.5, 1.25), "sad"), ((1.25, 2), 'so "called"')]


def test_a_file_may_have_all_of_its_recording_s_name(tmp_path: Path) -> None:
    path = lay(tmp_path / "call.wav.TextGrid", LONG, "call.wav")
    (tmp_path / "call.mp3").touch()
    assert {row.path for row in read_labels(path)} == {tmp_path / "call.wav"}


def test_a_tier_may_be_called_as_the_column_of_paths_is(tmp_path: Path) -> None:
    path = lay(tmp_path / "call.TextGrid", LONG.replace('"arousal"', '"path"'))
    assert {row.name for row in read_labels(path)} == {"call.wav#t=1.5,3", "call.wav#t=3,5"}


def test_a_recording_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"call\.wav: a recording, and no list"):
        read_labels(tmp_path / "call.wav")
