"""Turns of a voice, recognised in a thread of their own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.errors import EmovoxError, ModelError, OptionsError
from emovox.inference.live import EmotionChanged, Event, LiveUpdate
from emovox.inference.recognizer import Recognizer
from emovox.models.runtime.engine import Engine
from emovox.settings import settings
from emovox.turns import MOST, Turns
from support.baselines import baseline
from support.waiting import until

SECOND = 16_000
Waveform = NDArray[np.float32]


def silence(seconds: float) -> Waveform:
    return np.zeros(round(seconds * SECOND), np.float32)


def hear(turns: Turns, samples: Waveform) -> None:
    """Push sound no faster than it is heard: where the thread is late, it leaves some out."""
    for first in range(0, len(samples), 3000):
        turns.push(samples[first : first + 3000], SECOND)
        until(turns._orders.empty)


@pytest.fixture
def turns(recognizer: Recognizer) -> Iterator[Turns]:
    turns = Turns(recognizer)
    yield turns
    turns.close()


def updates(recognizer: Recognizer, samples: NDArray[Any], **arguments: Any) -> list[LiveUpdate]:
    events = recognizer.live(**arguments).push(samples)
    return [event for event in events if isinstance(event, LiveUpdate) and event.speech]


def test_a_turn_is_the_mean_of_its_stream(turns: Turns, recognizer: Recognizer, speech: Waveform) -> None:
    turns.begin()
    hear(turns, speech)
    turn = turns.end().result(60)
    spoken = updates(recognizer, speech)
    assert turn is not None
    expected = {name: np.mean([item.scores[name] for item in spoken if item.scores]) for name in NAMES}
    assert turn.scores == pytest.approx(expected)
    assert (turn.emotion, turn.start, turn.end) == ("angry", spoken[0].time - 0.25, spoken[-1].time)
    assert turn.speech == len(spoken) / 4


def test_sound_of_any_kind(turns: Turns, speech: Waveform) -> None:
    stereo = (np.repeat(speech, 3)[:, np.newaxis] * [32767, 0]).astype(np.int16)  # 48 kHz
    turns.begin()
    turns.push(stereo[: 48_000 // 2], 48_000)
    turns.push(stereo[48_000 // 2 :], 48_000)
    turn = turns.end().result(60)
    turns.begin()
    turns.push((speech * 32767).astype(np.int16), SECOND)  # another rate
    other = turns.end().result(60)
    assert turn is not None
    assert other is not None
    assert {turn.emotion, other.emotion} == {"angry"}
    assert other.start > turn.end


def test_what_is_older_than_a_second_is_no_part_of_it(turns: Turns, speech: Waveform) -> None:
    hear(turns, np.concatenate([speech, silence(2), speech, silence(0.25)]))
    turns.begin()
    turn = turns.end().result(60)
    assert turn is not None
    assert turn.speech <= 1
    turns.begin()
    turns.push(silence(1), SECOND)
    assert turns.end().result(60) is None


def test_relative_to_a_baseline(recognizer: Recognizer, speech: Waveform) -> None:
    turns = Turns(recognizer, baseline=baseline(recognizer.metadata), expect="neutral=0.8")
    turns.begin()
    turns.push(speech, SECOND)
    turn = turns.end().result(60)
    assert turn is not None
    assert turn.baseline is not None
    assert turn.scores_without is not None
    assert turn.scores != turn.scores_without
    assert f"relative to {turn.baseline.name}" in (turn.line() or "")
    assert turn.attributes()["emovox.baseline"] == turn.baseline.name
    turns.close()


def test_relative_to_itself_it_is_short_at_first(recognizer: Recognizer, speech: Waveform) -> None:
    turns = Turns(recognizer, baseline="self")
    turns.push(speech, SECOND)
    turns.begin()
    turn = turns.end().result(60)
    assert turn is not None
    assert (turn.warnings, turn.baseline) == (("baseline_short",), None)
    turns.close()


def test_the_policy_decides(monkeypatch: pytest.MonkeyPatch, speech: Waveform) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    recognizer = Recognizer("lite")
    monkeypatch.undo()
    settings.cache_clear()
    monkeypatch.setattr(Engine, "run", lambda *_, **__: pytest.fail("a model was run"))
    turns = Turns(recognizer, side="worker")
    turns.begin()
    turns.push(speech, SECOND)
    turn = turns.end().result(60)
    assert turn is not None
    assert (turn.emotion, turn.line(), turn.attributes()) == (None, None, {})
    assert turn.speech > 0
    turns.close()


def test_events_come_while_somebody_speaks(recognizer: Recognizer, speech: Waveform) -> None:
    events: list[Event] = []
    threads = set()

    def take(event: Event) -> None:
        events.append(event)
        threads.add(threading.current_thread())

    turns = Turns(recognizer, on_event=take)
    turns.push(speech, SECOND)
    until(lambda: any(isinstance(event, EmotionChanged) for event in events) or len(events) > 0)
    turns.push(silence(2), SECOND)
    turns.end().result(60)
    assert all(event.speech for event in events if isinstance(event, LiveUpdate))
    assert threading.current_thread() not in threads
    turns.close()


def test_nothing_waits_for_the_model(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, run = threading.Event(), Engine.run

    def slow(*arguments: Any, **options: Any) -> Any:
        assert going.wait(60)
        return run(*arguments, **options)

    monkeypatch.setattr(Engine, "run", slow)
    turns = Turns(recognizer)
    turns.begin()
    turns.push(speech, SECOND)
    first = turns.end()
    turns.begin()
    turns.push(speech, SECOND)
    second, given_up = turns.end(), turns.end()
    assert given_up.cancel()
    assert not first.done()
    going.set()
    assert first.result(60) is not None
    assert second.result(60) is not None
    turns.close()


def test_after_an_error_the_next_turn_is_heard(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(recognizer)
    with monkeypatch.context() as patch:

        def fail(*_: Any, **__: Any) -> Any:
            raise ModelError("out of order")

        patch.setattr(Engine, "run", fail)
        turns.begin()
        turns.push(speech, SECOND)
        with pytest.raises(ModelError, match="out of order"):
            turns.end().result(60)
        with pytest.raises(ModelError, match="out of order"):
            turns.end().result(60)
    turns.begin()
    turns.push(speech, SECOND)
    assert turns.end().result(60) is not None
    turns.begin()
    turns.push(np.full(SECOND, np.nan, np.float32), SECOND)
    with pytest.raises(EmovoxError, match="NaN"):
        turns.end().result(60)
    turns.close()


def test_what_is_wrong_is_told_when_it_is_ready(recognizer: Recognizer, tmp_path: Path) -> None:
    turns = Turns(recognizer, baseline=str(tmp_path / "none"))
    with pytest.raises(EmovoxError):
        turns.ready.result(60)
    with pytest.raises(EmovoxError):
        turns.end().result(60)
    turns.close()
    with pytest.raises(OptionsError, match="not both"):
        Turns(recognizer, url="http://localhost:7860")
    with pytest.raises(OptionsError, match="its url"):
        Turns(recognizer, key="secret")


def test_closing_tells_what_has_ended_before(recognizer: Recognizer, speech: Waveform) -> None:
    turns = Turns(recognizer)
    turns.begin()
    turns.push(speech, SECOND)
    turn = turns.end()
    turns.close()
    assert turn.result(60) is not None


def test_a_turn_that_was_heard_late_is_one(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its sound waits while the model loads, and the pause that ended it, too."""
    going, live = threading.Event(), Recognizer.live

    def slow(own: Recognizer, **arguments: Any) -> Any:
        assert going.wait(60)
        return live(own, **arguments)

    monkeypatch.setattr(Recognizer, "live", slow)
    turns = Turns(recognizer)
    turns.begin()
    turns.push(np.concatenate([speech, silence(0.6)]), SECOND)
    future = turns.end()
    going.set()
    turn = future.result(60)
    assert turn is not None
    assert turn.emotion == "angry"
    turns.close()


def test_after_closing_there_are_no_turns(recognizer: Recognizer) -> None:
    turns = Turns(recognizer)
    turns.close()
    turns._thread.join(60)
    with pytest.raises(EmovoxError, match="closed"):
        turns.end().result(60)
    turns = Turns(recognizer)
    turns.close()
    with pytest.raises(EmovoxError, match="closed"):
        turns.end().result(60)


def test_a_stream_that_failed_is_closed(recognizer: Recognizer, speech: Waveform) -> None:
    closed = threading.Event()

    class Broken:
        baseline, warnings = None, ()

        def push(self, samples: Waveform, *, catch_up: bool = False) -> list[Event]:
            raise ModelError("out of order")

        def close(self) -> None:
            closed.set()
            raise ModelError("still")

    turns = Turns(recognizer)
    turns.ready.result(60)
    turns._stream = Broken()  # type: ignore[assignment]
    turns.begin()
    turns.push(speech, SECOND)
    with pytest.raises(ModelError, match="out of order"):
        turns.end().result(60)
    assert closed.is_set()
    turns.begin()
    turns.push(speech, SECOND)
    assert turns.end().result(60) is not None
    turns.close()


def test_what_comes_late_belongs_to_no_later_turn(recognizer: Recognizer) -> None:
    class Late:
        """A service that gives the events of a turn when the next has begun."""

        baseline, warnings = None, ()

        def __init__(self) -> None:
            self.waiting: list[Event] = []

        def push(self, samples: Waveform, *, catch_up: bool = False) -> list[Event]:
            events, self.waiting = self.waiting, []
            return events

        def settle(self) -> list[Event]:
            return []

        def close(self) -> None:
            pass

    stream = Late()
    turns = Turns(recognizer)
    turns.ready.result(60)
    turns._stream = stream  # type: ignore[assignment]
    turns.begin()
    turns.push(silence(5), SECOND)
    assert turns.end().result(60) is None
    stream.waiting = [LiveUpdate(time=2, speech=True)]
    turns.begin()
    turns.push(silence(0.25), SECOND)
    assert turns.end().result(60) is None
    turns.close()


def test_hours_without_an_end_take_no_memory(recognizer: Recognizer) -> None:
    """A voice activity detection that takes music for speech never says that a turn ends."""
    turns = Turns(recognizer)
    turns.ready.result(60)
    turns.begin()
    for number in range(3 * 3600 * 4):
        turns._take([LiveUpdate(time=0.25 + number / 4, speech=True)])
    turn = turns.end().result(60)
    assert turn is not None
    assert turn.speech == MOST
    assert turn.end == 3 * 3600
    turns.close()


def test_a_program_may_end_while_the_model_runs(tmp_path: Path, speech: Waveform) -> None:
    np.save(tmp_path / "speech.npy", speech)
    code = """
import sys, threading
import numpy as np
from emovox.turns import Turns
speech, spoken = np.load(sys.argv[1]), threading.Event()
turns = Turns(model="lite", on_event=lambda _: spoken.set())
for first in range(0, len(speech), 4000):
    turns.push(speech[first : first + 4000], 16_000)
    turns.begin()  # so that pieces are heard one by one
spoken.wait()
print("end")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "speech.npy")]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout, result.stderr) == (0, "end\n", "")
