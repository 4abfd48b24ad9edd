import json
from pathlib import Path

import pytest

from emovox.errors import OptionsError
from emovox.words import Cue, as_cues, captions, edited, lines_of, parse, read, words_of

SRT = (
    "1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>Good</i> morning,\r\nhow are you?\r\n\r\n"
    "2\r\n01:00:00,000 --> 01:00:01,250\r\n你好\r\n"
)
VTT = (
    "WEBVTT - a title\n\nNOTE not this\n\nfirst\n00:02.000 --> 00:04.500 align:start\n<v Anna>R&amp;D &lt;3\n\n"
    "00:01.000 --> 00:01.900\nbefore\n"
)


def test_srt_with_tags_and_two_lines() -> None:
    assert parse("a.srt", SRT.encode()) == [
        Cue(1.5, 3, "Good morning, how are you?"),
        Cue(3600, 3601.25, "你好"),
    ]


def test_vtt_with_notes_names_settings_and_no_hours() -> None:
    assert parse("a.VTT", VTT.encode()) == [Cue(1, 1.9, "before"), Cue(2, 4.5, "R&D <3")]


TEXTGRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.5\n<exists>\n2\n"TextTier"\n"bells"\n0\n'
    '2.5\n1\n1.2\n"ding"\n"IntervalTier"\n"words"\n0\n2.5\n3\n0\n1e-1\n'
    '""\n0.1\n1.25\n"say ""12"""\n1.25\n2.5\n"你好"\n'
)
EMPTY = '"IntervalTier"\n"empty"\n0\n2.5\n1\n0\n2.5\n""\n'


def test_textgrid_the_first_tier_that_says_something() -> None:
    said = [Cue(0.1, 1.25, 'say "12"'), Cue(1.25, 2.5, "你好")]
    for text in (TEXTGRID, TEXTGRID.replace("\n2\n", "\n3\n").replace('"IntervalTier"', f'{EMPTY}"IntervalTier"')):
        assert parse("a.TextGrid", text.encode("utf-16")) == said
    assert parse("a.TextGrid", b"hello 1 2 3") == parse("a.TextGrid", TEXTGRID[:-30].encode()) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings(encoding: str) -> None:
    assert parse("a.srt", SRT.encode(encoding))[1].text == "你好"


def test_what_has_no_times_has_no_words() -> None:
    assert parse("a.srt", b"hello") == []
    assert parse("a.srt", b"1\n00:00:02,000 --> 00:00:01,000\nbackwards") == []
    assert parse("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n<b></b>\n") == []


SEGMENTS = {
    "text": "Oh no. Yes.",
    "segments": [
        {
            "id": 0,
            "start": 1,
            "end": 2.5,
            "text": " Oh no.",
            "words": [{"word": " Oh", "start": 1.0, "end": 1.25}],
        },
        {"id": 1, "start": 3.0, "end": 2.0, "text": "backwards"},
        {"id": 2, "start": "0", "end": 2.0, "text": "no number"},
        {"id": 3, "start": True, "end": 2.0, "text": "no number either"},
        {"id": 4, "start": 0.0, "end": 1.0, "text": " "},
        "not even an object",
    ],
    "words": [{"word": "Yes", "start": 3.0, "end": 3.5}],
}


def test_segments_of_a_transcriber_and_words_where_it_gives_those_alone() -> None:
    assert [cue for _, cue in lines_of(SEGMENTS)] == [Cue(1, 2.5, "Oh no.")]
    assert [cue for _, cue in words_of(SEGMENTS)] == [Cue(3, 3.5, "Yes"), Cue(1, 1.25, "Oh")]
    assert parse("a.json", json.dumps(SEGMENTS).encode()) == [Cue(1, 2.5, "Oh no.")]
    assert parse("a.json", json.dumps({"words": SEGMENTS["words"]}).encode()) == [Cue(3, 3.5, "Yes")]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", '{"segments": 1}', '{"segments": {"0": 1}}', "[" * 100_000, '{"words": [{"word": 1}]}',
     '{"segments": [{"start": 0, "end": 1e999, "text": "never"}, {"start": NaN, "end": 1, "text": "x"}]}'],
)  # fmt: skip
def test_other_json_has_no_words(text: str) -> None:
    assert parse("a.json", text.encode()) == []


def test_edited_captions_are_the_same_but_for_their_texts() -> None:
    for text in (
        SRT,
        VTT,
        "",
        "WEBVTT",
        "1\n00:00:01,000 --> 00:00:02,000",
        "\n\n 1\n00:01.000 --> 00:02.000\n\n",
    ):
        assert edited(text, lambda _, said: said) == text
    shouted = edited(VTT, lambda cue, said: f"{said.upper()} ({cue.start:g})")
    assert shouted == VTT.replace("<v Anna>R&amp;D &lt;3", "<V ANNA>R&AMP;D &LT;3 (2)").replace(
        "\nbefore", "\nBEFORE (1)"
    )
    assert len(list(captions(VTT))) == 2


def test_a_file_that_says_nothing_is_refused_with_advice(tmp_path: Path) -> None:
    for name, content, advice in (
        ("a.srt", "hello", "no words with times"),
        ("a.txt", SRT, r"ends in \.srt, \.vtt, \.textgrid, \.json"),
        ("a.json", "{", "no words with times"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(OptionsError, match=advice):
            read(tmp_path / name)
    (tmp_path / "a.srt").write_bytes(SRT.replace("你好", "für").encode("latin-1", errors="ignore"))
    with pytest.raises(OptionsError, match="not UTF-8 text: save it as UTF-8"):
        read(tmp_path / "a.srt")
    with pytest.raises(OptionsError, match="can't be read: No such file"):
        read(tmp_path / "gone.srt")


def test_cues_are_taken_as_they_are_or_as_mappings() -> None:
    assert as_cues([Cue(0, 1, "a"), {"start": 1, "end": 2, "text": "b", "speaker": "x"}]) == (
        Cue(0, 1, "a"),
        Cue(1, 2, "b"),
    )
    for wrong in ({"start": 1, "end": 1, "text": "b"}, {"start": 0, "text": "b"}, Cue(-1, 2, "b"), Cue(0, 2, "")):
        with pytest.raises(OptionsError, match="each needs start and end"):
            as_cues([wrong])
