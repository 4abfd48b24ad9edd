from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid as praat

from emovox.emotions import BY_NAME
from emovox.exports import textgrid
from emovox.inference.recognition import Recognition, Segment
from support.results import classes, head, nothing, recognition, recording, segment, values

Intervals = list[tuple[float, float, str]]


def read(result: Recognition, language: str = "en") -> dict[str, Intervals]:
    """The tiers as praatio reads them, with a report of any inconsistency as an error."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.TextGrid"
        path.write_text("".join(textgrid.pieces(result, language)), encoding="utf-8")
        grid = praat.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, pytest.approx(result.recording.duration, abs=1e-6))
    return {
        name: [(entry.start, entry.end, entry.label) for entry in grid.getTier(name).entries]
        for name in grid.tierNames
    }


def of(duration: float, *segments: Segment) -> Recognition:
    return recognition(recording=recording(duration), segments=list(segments))


def test_two_tiers_with_gaps() -> None:
    tiers = read(of(4.5, segment(0.5, 1.25, "angry"), segment(1.25, 2, "sad", confidence=0.5)))
    assert tiers == {
        "emotion": [(0, 0.5, ""), (0.5, 1.25, "angry"), (1.25, 2, "sad"), (2, 4.5, "")],
        "confidence": [(0, 0.5, ""), (0.5, 1.25, "0.7500"), (1.25, 2, "0.5000"), (2, 4.5, "")],
    }


def test_chinese() -> None:
    assert read(of(1, segment(0, 1, "angry")), "zh")["emotion"] == [(0, 1, "愤怒")]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], [(0, 3, "")]),
        ([(0, 3)], [(0, 3, "happy")]),
        ([(0, 1), (1, 3)], [(0, 1, "happy"), (1, 3, "happy")]),
        ([(1, 2.0000004), (2, 3)], [(0, 1, ""), (1, 2, "happy"), (2, 3, "happy")]),
        ([(1, 2.5), (2, 3.5)], [(0, 1, ""), (1, 2.5, "happy"), (2.5, 3, "happy")]),
        ([(1, 1.0000001)], [(0, 3, "")]),
    ],
    ids=["silence", "all of it", "adjacent", "overlapping after rounding", "overlapping", "none after rounding"],
)
def test_where_segments_touch(segments: list[tuple[float, float]], expected: Intervals) -> None:
    assert read(of(3, *(segment(start, end) for start, end in segments)))["emotion"] == expected


@given(st.floats(0.025, 100_000), st.lists(st.floats(0, 1), max_size=10), st.booleans())
def test_tiers_tile_the_recording(duration: float, cuts: list[float], adjacent: bool) -> None:
    bounds = sorted(duration * cut for cut in cuts)
    pairs = list(pairwise(bounds))[:: 1 if adjacent else 2]
    segments = [segment(start, end, "sad") for start, end in pairs if start < end]
    result = of(duration, *segments)
    tiers = read(result)
    assert list(tiers) == ["emotion", "confidence"]
    for name, intervals in tiers.items():
        assert intervals[0][0] == 0
        assert intervals[-1][1] == pytest.approx(duration, abs=1e-6)
        assert all(before[1] == after[0] for before, after in pairwise(intervals))
        assert all(start < end for start, end, _ in intervals)
        spoken = [(start, end) for start, end, label in intervals if label]
        lasting = [item for item in segments if item.end - item.start > 2e-6]
        assert len(lasting) <= len(spoken) <= len(segments)
        assert {label for _, _, label in intervals} <= ({"", "sad"} if name == "emotion" else {"", "0.7500"})
        assert sum(end - start for start, end in spoken) == pytest.approx(
            sum(item.end - item.start for item in segments), abs=1e-6 * (1 + 2 * len(segments))
        )


def test_every_emotion() -> None:
    segments = [segment(place, place + 1, name) for place, name in enumerate(BY_NAME)]
    assert [label for _, _, label in read(of(9, *segments))["emotion"]] == list(BY_NAME)


def test_a_tier_for_each_thing_that_a_readout_says() -> None:
    foreign = {
        "emotion": classes(**{'rab"bia': 0.75, "gioia": 0.25}),
        "dimensions": values(arousal=0.62, valence=-0.3),
    }
    result = recognition(
        **nothing(),
        recording=recording(3),
        readouts=foreign,
        segments=[segment(0, 1, **nothing(), readouts=foreign), segment(1, 2, **nothing())],
    )
    assert read(result, "zh") == {
        "emotion.label": [(0, 1, 'rab"bia'), (1, 2, ""), (2, 3, "")],
        "emotion.confidence": [(0, 1, "0.7500"), (1, 2, ""), (2, 3, "")],
        "dimensions.arousal": [(0, 1, "0.6200"), (1, 2, ""), (2, 3, "")],
        "dimensions.valence": [(0, 1, "-0.3000"), (1, 2, ""), (2, 3, "")],
    }


def test_quotation_marks_are_doubled_as_praat_has_them() -> None:
    quoted = {'a"b': classes(**{'"': 1.0})}
    text = "".join(textgrid.pieces(of(1, segment(0, 1, readouts=quoted)), "en"))
    assert 'name = "a""b.label"' in text
    assert 'text = """"' in text


def test_a_trained_head_stands_beside_the_nine() -> None:
    mine = {"mine": head(promoter=0.75, other=0.25)}
    tiers = read(recognition(recording=recording(1), readouts=mine, segments=[segment(0, 1, readouts=mine)]))
    assert {name: label for name, [(_, _, label)] in tiers.items()} == {
        "emotion": "happy", "confidence": "0.7500",
        "mine.label": "promoter", "mine.confidence": "0.7500",
    }  # fmt: skip


def test_embeddings_alone_show_where_speech_is() -> None:
    result = recognition(**nothing(), recording=recording(2), segments=[segment(1, 2, **nothing())])
    assert read(result) == {"speech": [(0, 1, ""), (1, 2, "speech")]}
