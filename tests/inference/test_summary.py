"""The summary: its decision table, which docs/summary.md has too, and that it can't contradict the segments."""

import re
from itertools import pairwise
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.inference import arc
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import Recognition, Segment, json_schema
from emovox.inference.sentence import clock
from emovox.inference.summary import SpeechSummary, summarize
from support.results import classes, nothing, recognition, values


def spoken(start: float, end: float, unsure: bool | None = None, **scores: float) -> Segment:
    """A segment with these scores; what is missing to 1 is shared by those of the nine that aren't named."""
    others = [name for name in NAMES if name not in scores]
    rest = (1 - sum(scores.values())) / len(others)
    table = {**dict.fromkeys(NAMES, rest), **scores}
    best = max(table, key=lambda name: table[name])
    return Segment(start=start, end=end, emotion=best, confidence=table[best], scores=table, unsure=unsure)


def run(start: int, end: int, step: int = 4, **facts: Any) -> list[Segment]:
    """Segments of three seconds, one after the other."""
    return [spoken(at, at + 3, **facts) for at in range(start, end, step)]


def of(*segments: Segment) -> SpeechSummary:
    summary = summarize(segments)
    assert summary is not None
    return summary


def in_turn(*names: str) -> list[Segment]:
    """Five minutes of segments in which nothing lasts."""
    return [spoken(4 * at, 4 * at + 3, None, **{names[at % len(names)]: 0.9}) for at in range(76)]


CALM: dict[str, Any] = {"neutral": 0.8}
CROSS: dict[str, Any] = {"angry": 0.8}

# What is said, in which order: unsure, tie, clear, for all of a short recording and for each part of a long one.
TABLE: dict[str, tuple[list[Segment], str, str, str]] = {
    "one segment": ([spoken(0, 4, angry=0.8)], "clear", "angry", "Sounds angry."),
    "eleven points ahead": ([spoken(0, 4, angry=0.46, sad=0.35)], "clear", "angry", "Sounds angry."),
    "ten points ahead": (
        [spoken(0, 4, angry=0.45, sad=0.35)], "tie", "angry and sad",
        "Sounds both angry and sad, neither clearly ahead.",
    ),
    "one after the other": (
        [spoken(0, 4, angry=0.8), spoken(5, 9, sad=0.8)], "tie", "angry and sad",
        "Sounds both angry and sad, neither clearly ahead.",
    ),
    "seconds count, and not segments": (
        [spoken(0, 8, angry=0.8), spoken(9, 10, sad=0.8), spoken(11, 12, sad=0.8)], "clear", "angry",
        "Sounds angry.",
    ),
    "the higher scores against more of the speech": (
        [spoken(0, 4, angry=0.98), spoken(5, 10, neutral=0.5, angry=0.45)], "tie", "angry and neutral",
        "Sounds both angry and neutral, neither clearly ahead.",
    ),
    "four in turn": (
        [*run(0, 8, **CALM), *run(8, 16, **CROSS), *run(16, 24, sad=0.8), spoken(24, 27, happy=0.8)], "arc",
        "neutral → angry 0:08 → sad 0:16 → happy 0:24",
        "Neutral at first, angry from 0:08, sad from 0:16, happy from 0:24 to the end.",
    ),
    "two of three lead in two thirds": (
        [spoken(0, 4, angry=0.8), spoken(5, 9, sad=0.8), spoken(10, 13, happy=0.8)], "tie", "angry and sad",
        "Sounds both angry and sad, neither clearly ahead.",
    ),
    "all unsure": (
        [spoken(0, 4, unsure=True, angry=0.8)], "unsure", "unsure", "Too unclear to name: the model isn’t sure.",
    ),
    "most unsure, before a tie": (
        [spoken(0, 5, unsure=True, angry=0.3), spoken(6, 10, unsure=False, angry=0.4, sad=0.4)], "unsure",
        "unsure", "Too unclear to name: the model isn’t sure.",
    ),
    "half unsure": (
        [spoken(0, 4, unsure=True, sad=0.3), spoken(5, 9, unsure=False, angry=0.8)], "clear", "angry",
        "Sounds angry.",
    ),
    "half a minute": ([*run(0, 26, **CALM), spoken(27, 30, angry=0.9)], "clear", "neutral", "Sounds neutral."),
    "longer, and nothing changes": (run(0, 60, **CALM), "clear", "neutral throughout", "Neutral throughout."),
    "a short segment between others": (
        [*run(0, 28, **CALM), spoken(28, 31, angry=0.99), *run(32, 60, **CALM)], "clear", "neutral throughout",
        "Neutral throughout; angry for a moment at 0:28.",
    ),
    "in turn, and one of them leads in six tenths": (
        in_turn("neutral", "sad", "neutral", "angry", "neutral"), "clear", "mostly neutral",
        "Mostly neutral; sad is highest at 0:04, angry is highest at 0:12.",
    ),
    "in turn, and none leads in half": (
        in_turn("neutral", "sad", "neutral", "angry", "happy"), "clear", "changing, most often neutral",
        "Changing, most often neutral; sad is highest at 0:04, angry is highest at 0:12, "
        "happy is highest at 0:16.",
    ),
    "in turn, and then one": (
        [*in_turn("neutral", "sad", "neutral", "angry", "happy"), *run(304, 360, **CROSS)], "arc",
        "changing → angry 4:52", "Changing at first, angry from 4:52 to the end.",
    ),
    "a change": (
        [*run(0, 72, **CALM), *run(72, 100, **CROSS), *run(150, 300, **CALM)], "arc",
        "neutral → angry 1:12 → neutral 2:30",
        "Mostly neutral; angry from 1:12 to 1:39; neutral again at the end.",
    ),
    "another at first": (
        [*run(0, 20, **CROSS), *run(20, 90, **CALM)], "arc", "angry → neutral 0:20",
        "Mostly neutral; angry until 0:19.",
    ),
    "another in the end": (
        [*run(0, 70, **CALM), *run(70, 90, **CROSS)], "arc", "neutral → angry 1:10",
        "Mostly neutral; angry from 1:10 to the end.",
    ),
    "no main part": (
        [*run(0, 40, **CALM), *run(40, 80, **CROSS), *run(80, 120, sad=0.8)], "arc",
        "neutral → angry 0:40 → sad 1:20", "Neutral at first, angry from 0:40, sad from 1:20 to the end.",
    ),
    "an unsure part": (
        [*run(0, 40, **CALM), *run(40, 60, unsure=True, sad=0.3), *run(60, 100, **CALM)], "arc",
        "neutral → unsure 0:40 → neutral 1:00",
        "Mostly neutral; unclear from 0:40 to 0:59; neutral again at the end.",
    ),
    "mostly unsure, and long": (
        [*run(0, 80, unsure=True, sad=0.3), *run(80, 100, **CROSS)], "arc", "unsure → angry 1:20",
        "Mostly unclear; angry from 1:20 to the end.",
    ),
    "unsure throughout": (
        [*run(0, 80, unsure=True, sad=0.3), spoken(80, 82, angry=0.9)], "unsure", "unsure throughout",
        "Too unclear to name: the model isn’t sure; angry for a moment at 1:20.",
    ),
    "a tie in a part": (
        [*run(0, 40, **CALM), *run(40, 80, angry=0.5, sad=0.45)], "arc", "neutral → angry and sad 0:40",
        "Mostly neutral; angry and sad from 0:40 to the end.",
    ),
    "a tie throughout": (
        run(0, 80, angry=0.5, sad=0.45), "tie", "angry and sad throughout",
        "Angry and sad throughout, neither clearly ahead.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("segments", "kind", "headline", "sentence"), TABLE.values(), ids=TABLE.keys())
def test_the_table(segments: list[Segment], kind: str, headline: str, sentence: str) -> None:
    summary = of(*segments)
    assert (summary.kind, summary.headline.en, summary.sentence.en) == (kind, headline, sentence)


@pytest.mark.parametrize(
    ("row", "headline", "sentence"),
    [
        ("one segment", "愤怒", "听起来是愤怒的语气。"),
        ("ten points ahead", "愤怒与悲伤", "听起来既愤怒又悲伤，难分高下。"),
        ("all unsure", "不确定", "听不真切：模型没有把握，不作判断。"),
        ("longer, and nothing changes", "始终中性", "从头到尾都是中性。"),
        ("a short segment between others", "始终中性", "从头到尾都是中性；0:28 一度愤怒。"),
        ("a change", "中性 → 愤怒 1:12 → 中性 2:30", "以中性为主；1:12 到 1:39 愤怒；结尾又回到中性。"),
        ("another at first", "愤怒 → 中性 0:20", "以中性为主；开头愤怒，到 0:19 为止。"),
        ("another in the end", "中性 → 愤怒 1:10", "以中性为主；1:10 起愤怒，直到结尾。"),
        ("no main part", "中性 → 愤怒 0:40 → 悲伤 1:20", "开头中性，0:40 起愤怒，1:20 起悲伤，直到结尾。"),
        ("mostly unsure, and long", "不确定 → 愤怒 1:20", "大部分难以判断；1:20 起愤怒，直到结尾。"),
        (
            "in turn, and one of them leads in six tenths",
            "以中性为主",
            "以中性为主；悲伤在 0:04 最高，愤怒在 0:12 最高。",
        ),
        (
            "in turn, and none leads in half",
            "多变，中性最多",
            "多变，中性最多；悲伤在 0:04 最高，愤怒在 0:12 最高，快乐在 0:16 最高。",
        ),
        ("a tie throughout", "始终愤怒与悲伤", "从头到尾都在愤怒与悲伤之间，难分高下。"),
    ],
)
def test_in_chinese(row: str, headline: str, sentence: str) -> None:
    summary = of(*TABLE[row][0])
    assert (summary.headline.zh, summary.sentence.zh) == (headline, sentence)


def test_shares_and_unsure_are_all_of_the_speech() -> None:
    summary = of(spoken(0, 5, angry=0.6), spoken(6, 8, neutral=0.7), spoken(9, 12, unsure=True, sad=0.3))
    assert summary.shares == {"angry": 0.5, "neutral": 0.2}
    assert (summary.unsure, summary.speech) == (0.3, 10.0)
    assert summary.scores["angry"] == pytest.approx((5 * 0.6 + 2 * 0.3 / 8) / 7)


def test_peaks_are_the_clear_moments_of_what_is_not_resting() -> None:
    segments = [
        *run(0, 28, **CALM),
        spoken(30, 32, angry=0.7),
        spoken(34, 36, angry=0.9),
        spoken(38, 38.5, sad=0.99),  # too short
        spoken(40, 42, happy=0.45, surprised=0.4),  # not clear
        spoken(44, 46, unsure=True, fearful=0.9),
        spoken(48, 50, other=0.9),
        spoken(52, 54, surprised=0.6),
    ]
    assert [(peak.name, peak.start, peak.confidence) for peak in of(*segments).peaks] == [
        ("angry", 34, 0.9), ("surprised", 52, 0.6),
    ]  # fmt: skip
    assert of(*segments[7:10]).peaks == []  # short recordings have none


def test_of_many_peaks_the_highest_are_told_in_order_of_time() -> None:
    names = ["angry", "disgusted", "fearful", "happy", "sad", "surprised"]
    segments = [
        spoken(10 * at, 10 * at + 2, unsure=None, **{name: 0.5 + at / 20}) for at, name in enumerate(names)
    ]
    assert [peak.name for peak in of(*segments).peaks] == names[1:]


@given(
    st.lists(
        st.tuples(st.sampled_from(["neutral", "sad", "angry", "happy"]), st.floats(0.4, 1)),
        max_size=60,
        min_size=12,
    )
)
def test_nothing_is_said_of_more_speech_than_it_leads_in(heard: list[tuple[str, float]]) -> None:
    summary = of(*[spoken(4 * at, 4 * at + 3, None, **{name: score}) for at, (name, score) in enumerate(heard)])
    shares = summary.shares
    for part in summary.arc:
        inside = [name for at, (name, _) in enumerate(heard) if part.start <= 4 * at < part.end]
        assert part.lead == pytest.approx(sum(name in part.classes for name in inside) / len(inside))
    if "throughout" in summary.headline.en:
        assert sum(shares[name] for name in summary.classes) > 0.66
    elif summary.sentence.en.startswith("Mostly "):
        said = re.split(r"[;.]", summary.sentence.en.removeprefix("Mostly "))[0].split(" and ")
        assert sum(shares[name] for name in said) >= 0.5 - 1e-9


def test_an_arc_has_six_parts_at_most() -> None:
    segments = [item for at in range(40) for item in run(at * 20, at * 20 + 20, **(CROSS if at % 2 else CALM))]
    strong = [item for at in range(3) for item in run(800 + at * 60, 860 + at * 60, **(CROSS if at % 2 else CALM))]
    assert len(of(*segments, *strong).arc) <= arc.MOST
    assert len(of(*segments[:30]).arc) == 6


def test_a_models_own_classes() -> None:
    items = [
        Segment(start=0, end=4, readouts={"emotion": classes(rabbia=0.7, gioia=0.3)}),
        Segment(start=5, end=6, readouts={"emotion": classes(rabbia=0.2, gioia=0.8)}),
    ]
    summary = of(*items)
    assert (summary.readout, summary.kind) == ("emotion", "clear")
    assert (summary.headline.en, summary.sentence.zh) == ("rabbia", "听起来是 rabbia 的语气。")
    assert summary.shares == {"rabbia": 0.8, "gioia": 0.2}


def test_classes_come_before_values_and_the_nine_before_both() -> None:
    own, level = classes(calm=0.9, tense=0.1), values(arousal=0.5)
    assert of(Segment(start=0, end=4, readouts={"level": level, "mood": own})).readout == "mood"
    nine = spoken(0, 4, angry=0.8).model_copy(update={"readouts": {"mood": own}})
    assert of(nine).readout is None


def test_segments_that_say_nothing_are_not_counted() -> None:
    summary = of(Segment(start=0, end=4), spoken(5, 9, angry=0.8), Segment(start=10, end=14))
    assert (summary.speech, summary.kind) == (4, "clear")
    mixed = [
        Segment(start=0, end=2, readouts={"mood": classes(calm=0.9, tense=0.1)}),
        Segment(start=3, end=5, readouts={"level": values(arousal=0.5)}),
    ]
    assert of(*mixed).readout == "mood"
    assert of(*mixed[::-1]).speech == 2


def test_values_have_no_arc() -> None:
    items = [
        Segment(start=at, end=at + 3, readouts={"level": values(arousal=0.2 + at / 100, valence=0.5 - at / 100)})
        for at in range(0, 44, 4)
    ]
    summary = of(*items)
    assert (summary.kind, summary.arc, summary.shares, summary.scores) == ("values", [], {}, {})
    assert summary.headline.en == "arousal 0.40 · valence 0.30"
    assert summary.sentence.en == (
        "Sounds moderately aroused and rather negative; most positive at 0:00, most aroused at 0:40."
    )
    assert summary.sentence.zh == "听起来不算平静也不算激动，偏消极；0:00 最积极，0:40 最激动。"
    assert [(peak.name, peak.value) for peak in summary.peaks] == [
        ("valence", 0.5),
        ("arousal", pytest.approx(0.6)),
    ]
    assert of(items[0]).sentence.en == "Sounds calm and neither negative nor positive."


@pytest.mark.parametrize(
    "segments",
    [
        None,
        [],
        [Segment(start=0, end=1, channel=1)],  # talk time, or embeddings alone
        [Segment(start=0, end=1, readouts={"level": values()})],
    ],
)
def test_there_is_none_without_anything_to_judge(segments: list[Segment] | None) -> None:
    result = recognition(**nothing(), segments=segments)
    assert result.summary is None
    assert "summary" not in result.to_dict()
    assert '"summary"' not in result.to_json()


def test_it_is_in_the_json_and_made_anew_when_read() -> None:
    result = recognition(segments=TABLE["a change"][0])
    data = result.to_dict()
    assert data["summary"]["headline"]["en"] == "neutral → angry 1:12 → neutral 2:30"
    assert list(data)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    jsonschema.validate(data, json_schema())
    assert "summary" not in json_schema()["required"]
    data["summary"]["headline"]["en"] = "an earlier version's"
    assert Recognition.model_validate(data).summary == result.summary
    del data["summary"]
    assert Recognition.model_validate(data).summary == result.summary


def test_relative_scores_are_the_scores() -> None:
    raw = spoken(0, 4, neutral=0.9).scores
    moved = spoken(0, 4, unsure=True, angry=0.9).model_copy(update={"scores_without": raw})
    result = recognition(segments=[moved]).model_copy(update={"baseline": object()})
    assert result.summary is not None
    assert result.summary.kind == "unsure"
    plain = without_baseline(result).summary
    assert plain is not None
    assert (plain.headline.en, plain.kind) == ("neutral", "clear")


@given(
    st.lists(
        st.tuples(
            st.floats(0.3, 17),
            st.floats(0, 30),
            st.booleans(),
            st.lists(st.floats(0.01, 1), min_size=9, max_size=9),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_it_never_contradicts_its_segments(drawn: list[tuple[float, float, bool, list[float]]]) -> None:
    segments, at = [], 0.0
    for length, pause, unsure, numbers in drawn:
        table = dict(zip(NAMES, (np.array(numbers) / np.sum(numbers)).tolist(), strict=True))
        best = max(table, key=lambda name: table[name])
        segments.append(
            Segment(start=at, end=at + length, emotion=best, confidence=table[best], scores=table, unsure=unsure)
        )
        at += length + pause
    summary = of(*segments)
    assert sum(summary.shares.values()) + summary.unsure == pytest.approx(1)
    assert sum(part.share for part in summary.arc) == pytest.approx(1)
    assert (summary.arc[0].start, summary.arc[-1].end) == (segments[0].start, segments[-1].end)
    for part in summary.arc:
        within = [item for item in segments if part.start <= item.start and item.end <= part.end]
        seconds = {
            name: sum(i.end - i.start for i in within if i.emotion == name and not i.unsure) for name in NAMES
        }
        doubt = sum(item.end - item.start for item in within if item.unsure)
        if part.classes:  # what has most of the speech is named
            assert max(seconds, key=lambda name: seconds[name]) in part.classes
            assert doubt <= sum(seconds.values()) + 1e-9
        else:
            assert doubt > sum(seconds.values()) - 1e-9
    starts = [part.start for part in summary.arc]
    assert starts == sorted(starts)
    keys = [set(part.classes) for part in summary.arc]
    assert all(one != other for one, other in pairwise(keys))


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (71.6, "1:12"), (59.5, "1:00"), (3723, "1:02:03")])
def test_the_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
