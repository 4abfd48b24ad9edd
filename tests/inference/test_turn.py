import json
from typing import Any

import pytest

from emovox.emotions import NAMES
from emovox.errors import OptionsError
from emovox.inference.live import LiveUpdate
from emovox.inference.recognition import ReadoutResult
from emovox.inference.turn import turn_of


def update(
    time: float, *, speech: bool = True, readouts: dict[str, Any] | None = None, **scores: float
) -> LiveUpdate:
    nine = dict.fromkeys(NAMES, 0.0) | scores if scores else None
    best = max(scores, key=lambda name: scores[name]) if scores else None
    return LiveUpdate(
        time=time,
        speech=speech,
        emotion=best,
        confidence=best and scores[best],
        scores=nine,
        readouts={name: ReadoutResult(**item) for name, item in (readouts or {}).items()},
    )


def test_means_over_the_updates_with_speech() -> None:
    turn = turn_of(
        [
            update(1.0, speech=False),
            update(1.25, angry=0.9, sad=0.1),
            update(1.5, angry=0.1, sad=0.9),
            update(1.75, angry=0.2, sad=0.8),
            update(2.0, speech=False, angry=0.2, sad=0.8),  # as they stay in a pause
        ]
    )
    assert turn is not None
    assert (turn.start, turn.end, turn.speech) == (1.0, 1.75, 0.75)
    assert turn.scores == pytest.approx(dict.fromkeys(NAMES, 0.0) | {"angry": 0.4, "sad": 0.6})
    assert (turn.emotion, turn.confidence) == ("sad", turn.scores["sad"] if turn.scores else None)


def test_nobody_spoke() -> None:
    assert turn_of([]) is None
    assert turn_of([update(0.25, speech=False)]) is None


def test_values_and_own_classes() -> None:
    def readouts(arousal: float, calm: float) -> dict[str, Any]:
        return {
            "dimensions": {"kind": "pooled", "values": {"arousal": arousal}, "range": (0.0, 1.0)},
            "mood": {
                "kind": "linear",
                "label": "calm",
                "confidence": calm,
                "scores": {"calm": calm, "tense": 1 - calm},
            },
        }

    turn = turn_of([update(0.25, readouts=readouts(0.2, 0.6)), update(0.5, readouts=readouts(0.6, 0.1))])
    assert turn is not None
    assert turn.values == pytest.approx({"arousal": 0.4})
    assert turn.readouts["dimensions"].range == (0.0, 1.0)
    mood = turn.readouts["mood"]
    assert (mood.label, mood.confidence) == ("tense", 0.65)
    assert turn.attributes() == {"emovox.mood": "tense", "emovox.arousal": "0.400"}
    assert turn.line() == (
        "The user’s voice in this turn: tense (65%), arousal 0.40. An estimate from sound, which may be wrong."
    )
    assert {"emotion", "confidence", "scores", "scores_without", "baseline"}.isdisjoint(
        json.loads(turn.model_dump_json())
    )


def test_a_line_in_two_languages() -> None:
    turn = turn_of([update(0.25, happy=0.75, sad=0.25)])
    assert turn is not None
    assert turn.line() == "The user’s voice in this turn: happy (75%). An estimate from sound, which may be wrong."
    assert turn.line("zh") == "用户这一轮的语气：快乐（75%）。这是根据声音作的估计，可能有误。"
    with pytest.raises(OptionsError, match="choose en or zh"):
        turn.line("fr")


def test_no_line_where_nothing_was_inferred() -> None:
    turn = turn_of([update(0.25)], warnings=["not_inferred"])
    assert turn is not None
    assert (turn.line(), turn.attributes(), turn.warnings) == (None, {}, ("not_inferred",))
