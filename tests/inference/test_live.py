import json
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox import errors
from emovox.audio import speech as speech_module
from emovox.audio.speech import CHUNK
from emovox.audio.waveform import Resampler
from emovox.emotions import NAMES
from emovox.inference import live as module
from emovox.inference.live import CONTEXT, STEP, EmotionChanged, Event, Live, LiveUpdate
from emovox.inference.recognition import BASELINE_SHORT
from emovox.inference.recognizer import Recognizer
from emovox.inference.run import SEGMENTS
from emovox.inference.running_shift import BLEND
from emovox.models.runtime.engine import Engine, Output
from support import tiny
from support.baselines import baseline, with_reference

SECOND = 16_000


def room(seconds: float, seed: int = 0) -> np.ndarray:
    return (1e-3 * np.random.default_rng(seed).standard_normal(round(seconds * SECOND))).astype(np.float32)


def events_of(live: Live, *chunks: np.ndarray, catch_up: bool = False) -> list[Event]:
    events = [event for chunk in chunks for event in live.push(chunk, catch_up=catch_up)]
    return events + live.finish()


def updates(events: Sequence[Event]) -> list[LiveUpdate]:
    return [event for event in events if isinstance(event, LiveUpdate)]


def changes(events: Sequence[Event]) -> list[EmotionChanged]:
    return [event for event in events if isinstance(event, EmotionChanged)]


def chunked(samples: np.ndarray, sizes: Sequence[int]) -> Iterator[np.ndarray]:
    """Pieces of the sizes, again and again."""
    first = 0
    while first < len(samples):
        for size in sizes:
            yield samples[first : first + size]
            first += size


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return Recognizer(tiny.write(tmp_path_factory.mktemp("tiny") / "tiny.onnx"))


@pytest.fixture(scope="module")
def talk(speech: np.ndarray) -> np.ndarray:
    """Speech between pauses, the longer of which are longer than a second."""
    return np.concatenate([room(0.6), speech, room(0.4), speech[:SECOND], room(1.7), speech[: 3 * SECOND // 2]])


sizes = st.lists(st.integers(1, 10 * SECOND), min_size=1, max_size=5).filter(lambda found: max(found) > 200)


@hypothesis_settings(max_examples=30)
@given(sizes=sizes)
def test_chunks_make_no_difference(small: Recognizer, talk: np.ndarray, sizes: list[int]) -> None:
    assert events_of(small.live(), *chunked(talk, sizes)) == events_of(small.live(), talk)


@hypothesis_settings(max_examples=5)
@given(sizes=sizes)
def test_chunks_make_no_difference_to_the_bundled_model(
    recognizer: Recognizer, talk: np.ndarray, sizes: list[int]
) -> None:
    assert events_of(recognizer.live(), *chunked(talk, sizes)) == events_of(recognizer.live(), talk)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_one_sample_at_a_time(small: Recognizer, talk: np.ndarray, rate: int) -> None:
    short = talk[: 3 * rate // 2]
    whole = events_of(small.live(sample_rate=rate), short)
    assert len(updates(whole)) == int(4 * len(short) / rate)
    assert events_of(small.live(sample_rate=rate), *chunked(short, [1])) == whole


@hypothesis_settings(max_examples=20)
@given(
    sizes=sizes,
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 48_000]),
    channels=st.integers(1, 9),
    kind=st.sampled_from(["int16", "int32", "uint8", "float32", "float64"]),
)
def test_chunks_make_no_difference_whatever_the_samples(
    small: Recognizer, talk: np.ndarray, sizes: list[int], rate: int, channels: int, kind: str
) -> None:
    samples: np.ndarray = talk[:, np.newaxis] * np.linspace(0.5, 1, channels, dtype=np.float32)
    if kind == "uint8":
        samples = np.rint(samples * 127 + 128).clip(0, 255)
    elif kind.startswith("int"):
        samples = samples * np.iinfo(kind).max
    samples = samples.astype(kind)
    sinks: list[list[np.ndarray]] = [[], []]
    whole = events_of(small.live(sample_rate=rate, sink=sinks[0].append), samples)
    pieces = events_of(small.live(sample_rate=rate, sink=sinks[1].append), *chunked(samples, sizes))
    assert pieces == whole
    np.testing.assert_array_equal(np.concatenate(sinks[0]), np.concatenate(sinks[1]))
    assert [event.time for event in updates(whole)] == [
        (number + 1) / 4 for number in range(int(np.concatenate(sinks[0]).size / STEP))
    ]


@hypothesis_settings(max_examples=30)
@given(sizes=sizes)
def test_the_model_sees_the_context_and_nothing_else(
    small: Recognizer, talk: np.ndarray, sizes: list[int]
) -> None:
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        run = Engine.run

        def watch(engine: Engine, windows: Sequence[np.ndarray], **options: bool) -> list[Output]:
            seen.extend(window.copy() for window in windows)
            return run(engine, windows, **options)

        patch.setattr(Engine, "run", watch)
        events = updates(events_of(small.live(), *chunked(talk, sizes)))
    ends = [round(event.time * SECOND) for event in events if event.speech]
    assert len(ends) < len(events), "while nobody speaks it sees nothing"
    assert len(seen) == len(ends)
    before = np.concatenate([np.zeros(CONTEXT, np.float32), talk])
    for window, end in zip(seen, ends, strict=True):
        np.testing.assert_array_equal(window, before[end : end + CONTEXT])


def test_scores_are_those_of_the_speech_in_the_last_second(small: Recognizer, talk: np.ndarray) -> None:
    """Worked out anew from the whole sound: the tiny model's logits are the means of 400 samples, times 1 to 9."""
    activity, on, chunks = speech_module.VoiceActivity(), False, []
    for probability in activity.push(talk):
        on = bool(probability >= (0.35 if on else 0.5))
        chunks.append(on)
    sound = np.concatenate([np.zeros(CONTEXT), talk])
    told = [event for event in updates(events_of(small.live(), talk)) if event.speech]
    partly: int = 0
    for event in told:
        end = round(event.time * SECOND)
        means = np.convolve(sound[end : end + CONTEXT], np.full(400, 1 / 400), "valid")[::320]
        centres = [end - CONTEXT + 200 + 320 * number for number in range(len(means))]
        known = end // CHUNK
        ours = [end - SECOND <= place and place // CHUNK < known and chunks[place // CHUNK] for place in centres]
        chosen = np.array(ours)
        partly += bool(5 < np.count_nonzero(chosen) < 40)
        logits = means[chosen].mean() * np.array([1, 2, 3])  # angry, happy, sad
        expected = np.exp(logits) / np.exp(logits).sum()
        found = [(event.scores or {})[name] for name in ("angry", "happy", "sad")]
        np.testing.assert_allclose(found, expected, atol=1e-7)
    assert partly > 3


def test_an_event_is_out_as_soon_as_its_sound_is_in(recognizer: Recognizer, talk: np.ndarray) -> None:
    live = recognizer.live()
    for chunk in np.split(talk, np.arange(1_000, len(talk), 1_000)):
        before = live._end
        events = updates(live.push(chunk))
        assert [event.time for event in events] == [
            end / SECOND for end in range(before + STEP, live._end + 1, STEP)
        ]
    assert live._end == len(talk) // STEP * STEP


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_the_resampler_holds_back_at_most_an_eighth_of_a_second(small: Recognizer, rate: int) -> None:
    live = small.live(sample_rate=rate)
    late = []
    for pushed in range(rate // 100, 20 * rate, rate // 100):
        late += [pushed / rate - event.time for event in live.push(np.zeros(rate // 100))]
    assert late
    assert max(late) <= 0.125


def test_the_emotions_of_real_speech(recognizer: Recognizer, examples: list[Path]) -> None:
    """Each clip comes to be announced as what it is, whatever comes first, and the pause after it as none."""
    angry, sad = (next(path for path in examples if name in path.name) for name in ("angry", "sad"))
    clips = [recognizer_waveform(recognizer, path) for path in (angry, sad)]
    pieces = [room(1), clips[0], room(2), clips[1], room(2)]
    starts = np.cumsum([0, *map(len, pieces)]) / SECOND
    events = events_of(recognizer.live(), np.concatenate(pieces))
    found = changes(events)
    assert [change.previous for change in found if change.emotion is None] == ["angry", "sad"]
    assert len(found) <= 5
    ends = [change for change in found if change.previous is None or change.emotion is None]
    for change, start in zip(ends, (starts[1], starts[2], starts[3], starts[4]), strict=True):
        assert start < change.time <= start + 2.25
    spoken = [
        event.speech
        for event in updates(events)
        if any(start + 0.4 < event.time <= end for start, end in (starts[1:3], starts[3:5]))
    ]
    assert np.mean(spoken) > 0.8, "but for the speakers' own pauses"
    for event in updates(events):
        if event.scores is not None:
            assert list(event.scores) == list(NAMES)
            assert sum(event.scores.values()) == pytest.approx(1, abs=1e-9)
            assert event.confidence == event.scores[event.emotion or ""] == max(event.scores.values())


def recognizer_waveform(recognizer: Recognizer, path: Path) -> np.ndarray:
    blocks: list[np.ndarray] = []
    recognizer.recognize(path, sink=blocks.append)
    return np.concatenate(blocks)


def test_silence_and_noise_are_no_emotion(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "run", None)  # the model isn't even asked
    for waveform in (np.zeros(5 * SECOND), room(5)):
        events = events_of(recognizer.live(), waveform)
        assert events == [LiveUpdate(time=(number + 1) / 4, speech=False) for number in range(20)]


# The rule of announcements, on scripted speech and scores.


class Scripted(speech_module.VoiceActivity):
    """Speech wherever the first sample of a chunk is positive."""

    def _run(self, samples: np.ndarray) -> np.ndarray:
        return (samples.reshape(-1, CHUNK)[:, 0] > 0).astype(np.float32)


Script = list[tuple[bool, int]]


def play(small: Recognizer, script: Script, logit: float = 4.0, *, batch: int = 1) -> list[Event]:
    """Events where each quarter second is silence, or speech of one class."""
    told = iter([winner for speaks, winner in script if speaks] if batch == 1 else [])
    latest = [0]

    def run(_: Engine, windows: Sequence[np.ndarray], **__: bool) -> list[Output]:
        winner = next(told) if batch == 1 else latest[0]
        logits = np.zeros((len(windows[0]) // 320, 3), np.float32)
        logits[:, winner] = logit
        return [Output(len(logits), {"emotion": logits[0]}, logits[0], {"emotion": logits})]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "VoiceActivity", Scripted)
        patch.setattr(Engine, "run", run)
        live = small.live()
        events: list[Event] = []
        for first in range(0, len(script), batch):
            part = script[first : first + batch]
            latest[0] = part[-1][1]
            steps = [np.full(STEP, 0.5 if speaks else -0.5, np.float32) for speaks, _ in part]
            events += live.push(np.concatenate(steps), catch_up=batch > 1)
        return events + live.finish()


def speak(winner: int, quarters: int) -> Script:
    return [(True, winner)] * quarters


def rest(quarters: int) -> Script:
    return [(False, 0)] * quarters


def announced(events: list[Event]) -> list[tuple[float, str | None, str | None]]:
    return [(change.time, change.previous, change.emotion) for change in changes(events)]


def test_an_emotion_is_announced_when_it_has_led_for_half_a_second(small: Recognizer) -> None:
    assert announced(play(small, speak(0, 2))) == []
    assert announced(play(small, speak(0, 3))) == [(0.75, None, "angry")]
    assert announced(play(small, speak(0, 4) + speak(1, 2) + speak(0, 4))) == [(0.75, None, "angry")]
    assert announced(play(small, speak(0, 4) + speak(1, 3) + speak(0, 2))) == [
        (0.75, None, "angry"), (1.75, "angry", "happy"),
    ]  # fmt: skip
    assert announced(play(small, speak(0, 4) + [(True, 1), (True, 2)] * 6)) == [(0.75, None, "angry")]


def test_a_short_pause_neither_counts_nor_interrupts(small: Recognizer) -> None:
    assert announced(play(small, speak(0, 2) + rest(3) + speak(0, 2)))[0][2] == "angry"
    events = play(small, speak(0, 4) + rest(3) + speak(0, 2))
    assert announced(events) == [(0.75, None, "angry")]
    held = updates(events)[4:7]
    assert [event.speech for event in held] == [False] * 3
    assert all(event.scores == updates(events)[3].scores for event in held)


def test_a_second_without_speech_is_no_emotion(small: Recognizer) -> None:
    events = play(small, speak(0, 4) + rest(6) + speak(0, 3))
    assert announced(events) == [(0.75, None, "angry"), (2.0, "angry", None), (3.25, None, "angry")]
    last = changes(events)[1]
    assert last.confidence is None
    assert [event.scores is None for event in updates(events)] == [False] * 7 + [True] * 3 + [False] * 3
    assert announced(play(small, speak(0, 2) + rest(6))) == [], "what was never announced need not be taken back"


def test_a_small_lead_is_none(small: Recognizer) -> None:
    """Three classes compete: with logit 0.1 the best has 0.356, the others 0.322."""
    script = speak(0, 4) + speak(1, 8)
    assert announced(play(small, script, 0.1)) == [(0.75, None, "angry")]
    assert len(announced(play(small, script, 0.5))) == 2


quarters = st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=60)


@given(script=quarters)
def test_announcements_keep_the_rules(small: Recognizer, script: Script) -> None:
    events = play(small, script)
    assert [event.time for event in updates(events)] == [(number + 1) / 4 for number in range(len(script))]
    present, since = None, -1.0
    for before, event in zip([None, *events], events, strict=False):
        if isinstance(event, EmotionChanged):
            assert isinstance(before, LiveUpdate)
            assert before.time == event.time, "a change follows the event that brought it"
            assert event.previous == present != event.emotion
            if event.emotion is None:
                assert not any(one.speech for one in updates(events) if event.time - 1 < one.time <= event.time)
            else:
                assert (event.emotion, event.confidence) == (before.emotion, before.confidence)
                led = [one for one in updates(events) if event.time - 0.5 <= one.time <= event.time and one.speech]
                assert all(one.emotion == event.emotion for one in led)
                assert event.time - since >= 0.5
            present, since = event.emotion, event.time
    if present is not None:
        assert any(event.speech for event in updates(events)[-4:]), "speech that has ceased is taken back"


@given(script=quarters, batch=st.integers(2, 9))
def test_who_is_late_hears_less_and_never_falls_behind(small: Recognizer, script: Script, batch: int) -> None:
    events = play(small, script, batch=batch)
    told = {event.time: event for event in updates(events)}
    for first in range(0, len(script), batch):
        part = script[first : first + batch]
        times = [(first + number + 1) / 4 for number in range(len(part))]
        judged = [told[time] for (speaks, _), time in zip(part, times, strict=True) if speaks and time in told]
        assert len(judged) <= 1, "one run of the model a push"
        assert times[-1] in told, "the latest moment is always told"
    full = {event.time: event for event in updates(play(small, script))}
    for time, event in told.items():
        assert event.speech == full[time].speech, "all of it is listened to for speech"
    pauses = [change.time for change in changes(events) if change.emotion is None]
    assert all(not full[time].speech and full[time].scores is None for time in pauses)


def test_late_in_real_speech(recognizer: Recognizer, speech: np.ndarray) -> None:
    calls = 0
    run = Engine.run

    def count(engine: Engine, windows: Sequence[np.ndarray], **options: bool) -> list[Output]:
        nonlocal calls
        calls += 1
        return run(engine, windows, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "run", count)
        events = recognizer.live().push(speech[: 2 * SECOND], catch_up=True)
    assert calls == 1
    assert updates(events)[-1].time == 2
    whole = updates(recognizer.live().push(speech[: 2 * SECOND]))
    assert updates(events)[-1] == whole[-1], "events depend on the sound alone"


def test_who_is_late_still_learns_that_somebody_spoke(recognizer: Recognizer, speech: np.ndarray) -> None:
    """The pause behind the speech is part of what is late."""
    for pause in (0.5, 0.75, 1.0):
        sound = np.concatenate([speech, np.zeros(round(pause * SECOND), np.float32)])
        sound = sound[: len(sound) // STEP * STEP]
        whole = [event for event in updates(recognizer.live().push(sound)) if event.speech]
        [*_, spoken, latest] = updates(recognizer.live().push(sound, catch_up=True))
        assert (spoken.time, spoken.speech) == (whole[-1].time, True)
        assert (latest.time, latest.speech) == (len(sound) / SECOND, False)
        assert spoken.scores == latest.scores
        assert spoken.scores is not None
        assert whole[-1].scores is not None
        assert spoken.scores["angry"] == pytest.approx(whole[-1].scores["angry"], abs=0.05)


# Streams


@pytest.mark.parametrize("relative", [False, True])
def test_memory_does_not_grow(small: Recognizer, movable: Recognizer, talk: np.ndarray, relative: bool) -> None:
    live = movable.live(baseline="self") if relative else small.live()
    chunk = talk[:SECOND].copy()
    tracemalloc.start()
    try:
        for _ in range(200):  # until all windows are full
            live.push(chunk)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(400):
            live.push(chunk)
        after, _ = tracemalloc.get_traced_memory()
        assert after - before < 200_000  # what one second of sound kept would be, 400 times, is 25 MB
        minutes = np.full(300_000, 128, np.uint8)
        slow = small.live(sample_rate=1_000)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert len(slow.push(minutes)) > 4 * 300 - 10
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 6e6, "five minutes are 19 MB at 16 kHz"


def test_a_chunk_may_be_overwritten_once_it_is_pushed(small: Recognizer, talk: np.ndarray) -> None:
    """As drivers do with their buffers."""
    live, buffer, events = small.live(), np.empty(900, np.float32), list[Event]()
    for chunk in chunked(talk, [len(buffer)]):
        buffer[: len(chunk)] = chunk
        events += live.push(buffer[: len(chunk)])
        buffer[:] = 1
    assert events == events_of(small.live(), talk)


def test_the_sink_gets_what_the_model_gets(small: Recognizer, talk: np.ndarray) -> None:
    blocks: list[np.ndarray] = []
    events_of(small.live(sample_rate=48_000, sink=blocks.append), *chunked(talk, [777]))
    resampler = Resampler(48_000)
    expected = [resampler.push(talk), resampler.push(np.empty(0, np.float32), last=True)]
    np.testing.assert_array_equal(np.concatenate(blocks), np.concatenate(expected))


def test_a_stream_ends_once(small: Recognizer) -> None:
    live = small.live(sample_rate=48_000)
    assert live.push(np.zeros(12_000)) == []
    assert [event.time for event in live.finish()] == [0.25]
    assert live.finish() == []
    with pytest.raises(ValueError, match="finished"):
        live.push(np.zeros(1))
    assert small.live().finish() == []
    assert small.live().push([]) == []


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, np.inf]), "NaN or infinity"),
        (np.array([1e9]), "full scale"),
        (np.array(["a"]), "not sound"),
        (np.zeros(4, complex), "not sound"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.zeros((2, 65)), "64 channels"),
        (np.zeros((2, 0)), "64 channels"),
        (3.0, "shape"),
    ],
)
def test_what_is_no_sound_is_refused_and_changes_nothing(
    small: Recognizer, talk: np.ndarray, samples: Any, says: str
) -> None:
    live = small.live()
    events = live.push(talk[:30_000])
    with pytest.raises(errors.UnreadableAudioError, match=says):
        live.push(samples)
    spoilt = np.append(talk, np.nan)
    with pytest.raises(errors.UnreadableAudioError, match="NaN"):
        live.push(spoilt)
    assert events + events_of(live, talk[30_000:]) == events_of(small.live(), talk)


def test_restricted_classes(recognizer: Recognizer, speech: np.ndarray) -> None:
    events = updates(events_of(recognizer.live(emotions=["sad", "happy"]), speech))
    scores = [event.scores for event in events if event.scores]
    assert scores
    assert all({name for name, score in item.items() if score} == {"sad", "happy"} for item in scores)
    with pytest.raises(errors.UnknownEmotionError, match="'joy'"):
        recognizer.live(emotions=["joy"])


def test_a_model_without_a_head_and_a_rate_that_is_none(small: Recognizer, tmp_path: Path) -> None:
    headless = Recognizer(tiny.write(tmp_path / "headless.onnx", readouts=()))
    with pytest.raises(errors.ModelError, match="gives embeddings only"):
        headless.live()
    for rate in (0, 1e6, float("nan")):
        with pytest.raises(errors.UnreadableAudioError, match="sample rate"):
            small.live(sample_rate=rate)


# Relative to a baseline


@pytest.fixture(scope="module")
def movable(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    readouts = (
        with_reference(
            tiny.classes("angry", "happy", "neutral", "sad"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
        ),
        tiny.MOODS,
    )
    return Recognizer(tiny.write(tmp_path_factory.mktemp("movable") / "tiny.onnx", readouts=readouts))


@pytest.fixture(scope="module")
def monologue(speech: np.ndarray) -> np.ndarray:
    """Ten segments, each a little higher than the other."""
    short = speech[: 3 * SECOND // 2]
    parts = [part for step in range(10) for part in (short + np.float32(step / 16), room(0.6, step))]
    return np.concatenate(parts).astype(np.float32)


def log_odds(scores: dict[str, float] | None, names: Sequence[str]) -> np.ndarray:
    return np.log([(scores or {})[name] for name in names])


def test_events_are_relative_to_a_baseline(movable: Recognizer, talk: np.ndarray) -> None:
    own = baseline(movable.metadata, mean=0.2)
    plain = events_of(movable.live(), talk)
    live = movable.live(baseline=own, expect="neutral=0.8")
    relative = updates(events_of(live, talk))
    result = movable.recognize((talk, SECOND), baseline=own, expect="neutral=0.8")
    assert (live.baseline, live.warnings) == (result.baseline, [])
    assert live.baseline is not None
    names = list(live.baseline.shift["emotion"])
    vector = np.array(list(live.baseline.shift["emotion"].values()))
    for before, event in zip(updates(plain), relative, strict=True):
        assert (event.time, event.speech, event.scores_without) == (before.time, before.speech, before.scores)
        assert event.readouts == before.readouts  # the moods
        if event.scores is not None:
            moved = log_odds(event.scores_without, names) + vector
            expected = np.exp(moved) / np.exp(moved).sum()
            np.testing.assert_allclose(np.exp(log_odds(event.scores, names)), expected, atol=1e-9)
            assert event.emotion == names[expected.argmax()]
            assert event.confidence == max(event.scores.values())
    assert [change.emotion for change in changes(events_of(movable.live(baseline=own), talk)) if change.emotion]
    assert all("scores_without" not in event.to_dict() for event in plain)
    assert movable.live().baseline is None


def test_classes_of_a_models_own_are_relative_too(tmp_path: Path, talk: np.ndarray) -> None:
    calls = with_reference(tiny.CALLS, calm=0, angry=0.1, furious=0.3, happy=0.5)
    model = Recognizer(tiny.write(tmp_path / "calls.onnx", readouts=(calls,)))
    plain = updates(events_of(model.live(), talk))
    relative = updates(events_of(model.live(baseline=baseline(model.metadata, mean=0.2)), talk))
    for before, event in zip(plain, relative, strict=True):
        assert event.scores_without == before.scores
        for name, item in event.readouts.items():
            assert item.scores_without == before.readouts[name].scores != item.scores


def test_what_can_not_be_moved_is_refused(movable: Recognizer, tmp_path: Path) -> None:
    values = Recognizer(tiny.write(tmp_path / "values.onnx", readouts=(tiny.DIMENSIONS,)))
    with pytest.raises(errors.BaselineError, match="no baseline 'line4'"):
        movable.live(baseline="line4")
    for own in ("self", baseline(values.metadata)):
        with pytest.raises(errors.BaselineError, match="doesn't give the nine"):
            values.live(baseline=own)
    with pytest.raises(errors.OptionsError, match="choose a baseline, too"):
        movable.live(expect="neutral=0.8")
    with pytest.raises(errors.OptionsError, match="expect fearful"):
        movable.live(baseline="self", expect={"fearful": 0.5})


def test_relative_to_itself_without_jumps(movable: Recognizer, monologue: np.ndarray) -> None:
    """The law: from one update to the next, log-odds change as without the running mean, up to BLEND."""
    plain = updates(events_of(movable.live(), monologue))
    live = movable.live(baseline="self")
    relative = updates(events_of(live, monologue))
    names, before, begun = ["angry", "happy", "neutral", "sad"], np.zeros(4), 0.0
    for raw, event in zip(plain, relative, strict=True):
        if event.scores_without is None:
            assert event.scores == raw.scores
            continue
        assert event.scores_without == raw.scores
        moved = log_odds(event.scores, names) - log_odds(event.scores_without, names)
        assert np.ptp(moved - before) <= BLEND + 1e-9
        before, begun = moved, begun or event.time
    recording = movable.recognize((monologue, SECOND), baseline="self", segments=True)
    assert recording.segments is not None
    assert begun > recording.segments[SEGMENTS - 1].end
    assert live.baseline is not None
    assert recording.baseline is not None
    assert (live.baseline.name, live.baseline.count, live.warnings) == ("self", 10, [])
    assert live.baseline.count == recording.baseline.count
    target = np.array([live.baseline.shift["emotion"][name] for name in names])
    assert 0.2 < np.ptp(before) <= np.ptp(target) + 1e-6, "it is well on its way"
    offline = [recording.baseline.shift["emotion"][name] for name in names]
    np.testing.assert_allclose(target, offline, atol=0.2)


def test_too_little_speech_is_relative_to_nothing(movable: Recognizer, talk: np.ndarray) -> None:
    live = movable.live(baseline="self")
    assert events_of(live, talk) == events_of(movable.live(), talk)
    assert (live.baseline, live.warnings) == (None, [BASELINE_SHORT])


def test_chunks_make_no_difference_to_what_is_relative_to_itself(
    movable: Recognizer, monologue: np.ndarray
) -> None:
    one, two = (movable.live(baseline="self") for _ in range(2))
    assert events_of(one, *chunked(monologue, [999, 70_000, 3])) == events_of(two, monologue)
    assert one.baseline is not None
    assert two.baseline is not None
    assert one.baseline.shift == two.baseline.shift


def test_each_stream_is_relative_to_itself_alone(movable: Recognizer, monologue: np.ndarray) -> None:
    alone = events_of(movable.live(baseline="self"), monologue)
    one, other = (movable.live(baseline="self") for _ in range(2))
    events: list[Event] = []
    for chunk in chunked(monologue, [SECOND]):
        events += one.push(chunk)
        other.push(-chunk)
    assert events + one.finish() == alone


def test_who_is_late_is_relative_without_jumps_too(movable: Recognizer, monologue: np.ndarray) -> None:
    live = movable.live(baseline="self")
    names, before = ["angry", "happy", "neutral", "sad"], np.zeros(4)
    for event in updates(events_of(live, *chunked(monologue, [len(monologue) // 10]), catch_up=True)):
        if event.scores_without is not None:
            moved = log_odds(event.scores, names) - log_odds(event.scores_without, names)
            assert np.ptp(moved - before) <= BLEND + 1e-9
            before = moved
    assert before.any()
    assert live.baseline is not None
    assert live.baseline.count == 10, "of each segment there is an update, in the pause behind it"


def test_events_are_json(recognizer: Recognizer, talk: np.ndarray) -> None:
    events = events_of(recognizer.live(), talk)
    assert {type(event) for event in events} == set(get_args(Event))
    for event in events:
        data = json.loads(json.dumps(event.to_dict(), allow_nan=False))
        assert data["type"] == ("update" if isinstance(event, LiveUpdate) else "emotion_changed")
        assert event.to_dict(2) == data
        assert type(event).model_validate(data) == event
    with pytest.raises(errors.OptionsError, match="version 2"):
        events[0].to_dict(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_less_than_is_needed_gives_no_event_and_hardly_more_does(small: Recognizer, rate: int) -> None:
    live, random = small.live(sample_rate=rate), np.random.default_rng(0)
    given = 0
    for _ in range(6):
        needed = live.needed
        assert 0 < needed <= rate // 4 + 1
        assert live.push(random.standard_normal(needed - 1)) == []
        given += needed - 1
        more = 0
        while not (events := live.push(random.standard_normal(1))):
            more += 1
        assert more <= rate // 8, "the resampler holds back an eighth of a second at most"
        given += more + 1
        assert updates(events)[-1].time <= given / rate
