"""The processor in Pipecat's own pipelines: sound in, frames out. Needs tests/requirements-agents.txt."""

import asyncio
import threading
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.errors import OptionsError
from emovox.inference.live import EmotionChanged, LiveUpdate
from emovox.inference.recognizer import Recognizer
from emovox.models.runtime.engine import Engine
from emovox.settings import settings
from support.agents import RATE, held, needs, pcm, run_example
from support.baselines import baseline
from support.service import Client

pytestmark = needs("pipecat", "pipecat")

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs are not ours
        from pipecat.audio.vad.silero import SileroVADAnalyzer
        from pipecat.frames.frames import (
            EndFrame,
            Frame,
            InputAudioRawFrame,
            LLMMessagesAppendFrame,
            UserStartedSpeakingFrame,
            UserStoppedSpeakingFrame,
            VADUserStartedSpeakingFrame,
            VADUserStoppedSpeakingFrame,
        )
        from pipecat.pipeline.pipeline import Pipeline
        from pipecat.pipeline.worker import PipelineWorker
        from pipecat.processors.aggregators.llm_context import LLMContext
        from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator
        from pipecat.processors.audio.vad_processor import VADProcessor
        from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
        from pipecat.workers.runner import WorkerRunner

        from emovox_pipecat import EmovoxProcessor, UserEmotionFrame, UserTurnEmotionFrame
except ModuleNotFoundError:  # then all is skipped
    FrameProcessor = object  # type: ignore[misc,assignment]

Waveform = NDArray[np.float32]


class Sink(FrameProcessor):
    """Keeps what arrives at the end of a pipeline; and calls something at the first frame that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.changed = asyncio.Condition()

    async def process_frame(self, frame: "Frame", direction: "FrameDirection") -> None:
        await super().process_frame(frame, direction)
        async with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()
        await self.push_frame(frame, direction)

    def of(self, kind: type) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def until(self, kind: type, count: int) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: len(self.of(kind)) >= count), 60)


def sound(samples: Waveform, rest: float = 1.0) -> "list[Frame]":
    return [InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1) for piece in pcm(samples, rest)]


def spoken(samples: Waveform) -> "list[Frame]":
    """A turn with the frames around it, as a VAD says them."""
    return [VADUserStartedSpeakingFrame(), *sound(samples, 0.3), VADUserStoppedSpeakingFrame()]


def run(
    processors: "Sequence[FrameProcessor]",
    frames: "Iterable[Frame | tuple[type, int]]",
    *,
    sinks: list[Sink] | None = None,
) -> Sink:
    """Run a pipeline, send frames, and wait where a pair says for how many of a kind; gives what came out."""
    sinks = [] if sinks is None else sinks

    async def main() -> None:
        sink = Sink()
        sinks.append(sink)
        worker = PipelineWorker(Pipeline([*processors, sink]), enable_rtvi=False)
        started = asyncio.Event()
        worker.add_event_handler("on_pipeline_started", lambda *_: started.set())

        async def send() -> None:
            await asyncio.wait_for(started.wait(), 60)
            for frame in frames:
                if isinstance(frame, tuple):
                    await sink.until(*frame)
                else:
                    await worker.queue_frame(frame)
                    await asyncio.sleep(0.001)
            await worker.queue_frame(EndFrame())

        runner = WorkerRunner()
        await runner.add_workers(worker)
        await asyncio.gather(runner.run(), send())

    asyncio.run(main())
    return sinks[0]


@pytest.fixture(autouse=True)
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound comes faster than it is spoken, so it would be late, and some left out; then no two runs are alike."""
    monkeypatch.setattr("emovox.turns.LATE", 1e9)
    monkeypatch.setattr("emovox.server.routes.live.LATE", 1e9)
    monkeypatch.setattr("emovox.live_client.PATIENCE", 60)


def test_sound_in_and_emotions_out(recognizer: Recognizer, examples: list[Path], speech: Waveform) -> None:
    processor = EmovoxProcessor(recognizer=recognizer, updates=True)
    frames = [*sound(speech), *sound(speech)]
    sink = run([VADProcessor(vad_analyzer=SileroVADAnalyzer(), audio_idle_timeout=0), processor], frames)
    assert len(sink.of(InputAudioRawFrame)) == len(frames)
    turns = [frame.turn for frame in sink.of(UserTurnEmotionFrame)]
    assert len(turns) == len(sink.of(VADUserStoppedSpeakingFrame)) >= 2
    assert {turn.emotion for turn in turns} == {"angry"}
    assert all(turn.scores and turn.confidence and turn.speech > 0.5 for turn in turns)
    events = [frame.event for frame in sink.of(UserEmotionFrame)]
    assert any(isinstance(event, LiveUpdate) for event in events)
    assert all(event.speech for event in events if isinstance(event, LiveUpdate))
    kinds = [type(frame) for frame in sink.frames]
    assert kinds.index(UserEmotionFrame) < kinds.index(UserTurnEmotionFrame)
    assert sink.of(LLMMessagesAppendFrame) == []  # unless asked for


def test_without_updates_changes_are_told(recognizer: Recognizer, speech: Waveform) -> None:
    frames = [*spoken(speech), (UserTurnEmotionFrame, 1)]
    sink = run([EmovoxProcessor(recognizer=recognizer)], frames)
    assert all(isinstance(frame.event, EmotionChanged) for frame in sink.of(UserEmotionFrame))


def test_the_pipeline_goes_on_while_the_model_runs(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()
    monkeypatch.setattr(Engine, "run", held(Engine.run, going))
    frames = [*spoken(speech), *sound(speech)]
    count = sum(isinstance(frame, InputAudioRawFrame) for frame in frames)
    told: list[int] = []

    def all_frames() -> Iterable[Any]:
        yield from frames
        yield (InputAudioRawFrame, count)  # all of them came through
        told.append(len(sinks[0].of(UserTurnEmotionFrame)))
        going.set()
        yield (UserTurnEmotionFrame, 1)

    sinks: list[Sink] = []
    run([EmovoxProcessor(recognizer=recognizer)], all_frames(), sinks=sinks)
    assert told == [0]


def test_a_piece_that_was_cut_within_a_sample_is_no_error(recognizer: Recognizer, speech: Waveform) -> None:
    begin, *pieces, end = spoken(speech)
    cut = [InputAudioRawFrame(audio=item.audio[:-1], sample_rate=RATE, num_channels=1) for item in pieces]
    sink = run([EmovoxProcessor(recognizer=recognizer)], [begin, *cut, end, (UserTurnEmotionFrame, 1)])
    assert sink.of(UserTurnEmotionFrame)[0].turn.speech > 1


def test_a_turn_is_told_once(recognizer: Recognizer, speech: Waveform) -> None:
    start, *middle, stop = spoken(speech)
    around = [
        start,
        UserStartedSpeakingFrame(),
        *middle,
        stop,
        (UserTurnEmotionFrame, 1),
        UserStoppedSpeakingFrame(),
    ]
    sink = run([EmovoxProcessor(recognizer=recognizer)], [*around, *sound(speech)])
    assert len(sink.of(UserTurnEmotionFrame)) == 1
    silent = [UserStartedSpeakingFrame(), *sound(np.zeros(RATE, np.float32)), UserStoppedSpeakingFrame()]
    assert run([EmovoxProcessor(recognizer=recognizer)], silent).of(UserTurnEmotionFrame) == []
    alone = [UserStartedSpeakingFrame(), *sound(speech, 0.3), UserStoppedSpeakingFrame()]
    assert len(run([EmovoxProcessor(recognizer=recognizer)], alone).of(UserTurnEmotionFrame)) == 1


def test_the_end_ends_a_turn(recognizer: Recognizer, speech: Waveform) -> None:
    sink = run([EmovoxProcessor(recognizer=recognizer)], [VADUserStartedSpeakingFrame(), *sound(speech, 0)])
    [frame] = sink.of(UserTurnEmotionFrame)
    assert frame.turn.emotion == "angry"


def test_a_line_reaches_the_llms_context(recognizer: Recognizer, speech: Waveform) -> None:
    context = LLMContext()
    own = baseline(recognizer.metadata)
    processor = EmovoxProcessor(recognizer=recognizer, prompt="zh", baseline=own)
    run([processor, LLMUserAggregator(context)], [*spoken(speech), (UserTurnEmotionFrame, 1)])
    [message] = context.messages
    assert message["role"] == "developer"
    assert "用户这一轮的语气：" in message["content"]
    assert f"相对于基线 {own.name}" in message["content"]


def test_through_a_service(shared: Client, speech: Waveform) -> None:
    processor = EmovoxProcessor(url=str(shared.base_url))
    sink = run([processor], [*spoken(speech), (UserTurnEmotionFrame, 1)])
    assert sink.of(UserTurnEmotionFrame)[0].turn.emotion == "angry"


def test_without_its_service_the_agent_speaks_on(speech: Waveform) -> None:
    frames = spoken(speech)
    sink = run([EmovoxProcessor(url="http://localhost:1")], frames)
    assert len(sink.of(InputAudioRawFrame)) == len(frames) - 2
    assert sink.of(UserTurnEmotionFrame) == []


def test_the_policy_decides(speech: Waveform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    processor = EmovoxProcessor(model="lite", side="worker", prompt="en")
    sink = run([processor], [*spoken(speech), (UserTurnEmotionFrame, 1)])
    monkeypatch.undo()
    settings.cache_clear()
    [frame] = sink.of(UserTurnEmotionFrame)
    assert (frame.turn.emotion, frame.turn.warnings) == (None, ("not_inferred",))
    assert sink.of(LLMMessagesAppendFrame) == []


def test_its_example(tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    angry = next(path for path in examples if "angry" in path.name)
    told = run_example("pipecat", tmp_path, monkeypatch, str(angry), "--prompt", "en")
    assert " s  angry " in told
    assert "The user’s voice in this turn: angry" in told


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(OptionsError, match="choose en or zh"):
        EmovoxProcessor(prompt="fr")
