import io
from datetime import timedelta
from pathlib import Path

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import EMOTIONS
from emovox.exports import captions
from emovox.inference.recognition import Recognition
from support.results import classes, head, nothing, recognition, recording, segment, values


def read(text: str, kind: str) -> list[tuple[float, float, str]]:
    found = webvtt.from_string(text) if kind == "vtt" else webvtt.from_buffer(io.StringIO(text), "srt")
    return [(seconds(caption.start), seconds(caption.end), caption.text) for caption in found.captions]


def seconds(time: str) -> float:
    hours, minutes, rest = time.replace(",", ".").split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(rest)).total_seconds()


def call() -> Recognition:
    return recognition(
        recording=recording(400_000),
        segments=[
            segment(0, 1.5, "angry"),
            segment(1.5, 3.0624, "sad", confidence=0.996),
            segment(360_000, 399_999),
        ],
    )


def test_srt_is_what_players_expect() -> None:
    assert "".join(captions.srt(call(), "en")) == (
        "1\n00:00:00,000 --> 00:00:01,500\n😠 angry 75 %\n\n"
        "2\n00:00:01,500 --> 00:00:03,062\n😢 sad 100 %\n\n"
        "3\n100:00:00,000 --> 111:06:39,000\n😊 happy 75 %\n\n"
    )


def test_vtt_is_what_browsers_expect() -> None:
    assert "".join(captions.vtt(call(), "zh")) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.500\n😠 愤怒 75 %\n"
        "\n00:00:01.500 --> 00:00:03.062\n😢 悲伤 100 %\n"
        "\n100:00:00.000 --> 111:06:39.000\n😊 快乐 75 %\n"
    )


@pytest.mark.parametrize("kind", ["srt", "vtt"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_another_reader_finds_every_emotion(kind: str, language: str) -> None:
    segments = [segment(place, place + 0.5, emotion.name) for place, emotion in enumerate(EMOTIONS)]
    result = recognition(recording=recording(9), segments=segments)
    cues = read("".join(getattr(captions, kind)(result, language)), kind)
    assert cues == [
        (place, place + 0.5, f"{emotion.emoji} {emotion.label(language)} 75 %")
        for place, emotion in enumerate(EMOTIONS)
    ]


@given(
    st.lists(st.integers(0, 300_000_000), min_size=2, max_size=20, unique=True).map(sorted),
    st.sampled_from(["srt", "vtt"]),
)
def test_times_come_back_to_the_millisecond(bounds: list[int], kind: str) -> None:
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    segments = [segment(start / 1000, end / 1000) for start, end in pairs]
    result = recognition(recording=recording(bounds[-1] / 1000), segments=segments)
    cues = read("".join(getattr(captions, kind)(result, "en")), kind)
    assert [(round(start * 1000), round(end * 1000)) for start, end, _ in cues] == pairs


def test_silence() -> None:
    result = recognition(segments=[])
    assert "".join(captions.srt(result, "en")) == ""
    assert read("".join(captions.vtt(result, "en")), "vtt") == []


def test_as_files(tmp_path: Path) -> None:
    path = tmp_path / "x.srt"
    path.write_text("".join(captions.srt(call(), "zh")), encoding="utf-8")
    assert [cue.text for cue in webvtt.from_srt(str(path)).captions] == [
        "😠 愤怒 75 %",
        "😢 悲伤 100 %",
        "😊 快乐 75 %",
    ]


def test_models_that_do_not_give_the_nine() -> None:
    mood, own = values(arousal=0.625, valence=-0.3125), classes(rabbia=0.75, gioia=0.25)
    trained = head(**{"<b> & so\non": 0.5, "x": 0.25})
    segments = [
        segment(0, 1, **nothing(), readouts={"dimensions": mood, "emotion": own}),
        segment(1, 2, **nothing(), readouts={"dimensions": mood, "more": values(None, loudness=12)}),
        segment(2, 3, **nothing()),
        segment(3, 4, "angry", readouts={"dimensions": mood, "mine": trained}),
        segment(4, 5, **nothing(), readouts={"mine": trained}),
    ]
    result = recognition(recording=recording(9), segments=segments)
    expected = [
        "rabbia 75 %",
        "arousal 0.62 · valence -0.31 · loudness 12.00",
        "speech",
        "😠 angry 75 % · ‹b› & so on 50 %",
        "‹b› & so on 50 %",
    ]
    for kind in ("srt", "vtt"):
        cues = read("".join(getattr(captions, kind)(result, "en")), kind)
        assert [text.replace("&amp;", "&") for _, _, text in cues] == expected
    assert "语音" in "".join(captions.srt(result, "zh"))
