"""The listener in LiveKit's own sessions: sound in, events out. Needs tests/requirements-agents.txt, no server."""

import asyncio
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.errors import OptionsError
from emovox.inference.live import EmotionChanged, Event, LiveUpdate
from emovox.inference.recognizer import Recognizer
from emovox.inference.turn import Turn
from emovox.models.runtime.engine import Engine
from support.agents import RATE, held, needs, pcm, run_example
from support.baselines import baseline
from support.service import Client

pytestmark = needs("livekit", "livekit")

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs are not ours
        from livekit import rtc
        from livekit.agents import Agent, AgentSession, StopResponse, inference, stt
        from livekit.agents.voice.io import AudioInput

        from emovox_livekit import EmovoxListener
except ModuleNotFoundError:  # then all is skipped
    Agent = AudioInput = object  # type: ignore[misc,assignment]

Waveform = NDArray[np.float32]


class Sound(AudioInput):
    """What the session hears; in an agent it is a participant of a room.

    Attributes:
        taken: pieces.
        ended: when all was taken.
    """

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__(label="test")
        self._pieces = iter(pieces)
        self.taken, self.ended = 0, asyncio.Event()

    async def __anext__(self) -> "rtc.AudioFrame":
        await asyncio.sleep(0.004)
        piece = next(self._pieces, None)
        if piece is None:
            self.ended.set()
            await asyncio.Event().wait()
            raise StopAsyncIteration
        self.taken += 1
        return rtc.AudioFrame(piece, RATE, 1, len(piece) // 2)


class Room:
    """A stand-in for a room: a real one needs a LiveKit server."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.told: list[dict[str, str]] = []
        self.local_participant = self

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self.told.append(attributes)
        self.attributes |= attributes


class Silent(Agent):
    """An agent without models, which takes all speech for the word "yes", and says nothing."""

    def __init__(self, listener: "EmovoxListener | None" = None) -> None:
        super().__init__(instructions="none")
        self._listener = listener
        self.contexts: list[list[tuple[str, str | None]]] = []
        self.turned = asyncio.Event()

    async def stt_node(self, audio: Any, model_settings: Any) -> "AsyncIterator[stt.SpeechEvent]":
        count = 0
        async for _ in audio:
            count += 1
            if count == 50:
                said = [stt.SpeechData(language="en", text="yes")]
                yield stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=said)

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        if self._listener is not None:
            await self._listener.add_line(turn_ctx)
        self.contexts.append([(item.role, item.text_content) for item in turn_ctx.items if item.type == "message"])
        self.turned.set()
        raise StopResponse


def hear(
    listener: "EmovoxListener",
    pieces: list[bytes],
    *,
    agent: Callable[[], Agent] = Silent,
    meanwhile: Callable[[Sound, list[Turn]], Any] | None = None,
    turns_expected: int = 1,
) -> tuple[list[Turn], list[Event], Agent]:
    """Run a session until the listener has told so many turns."""
    turns: list[Turn] = []
    events: list[Event] = []

    async def main() -> Agent:
        sound, told = Sound(pieces), asyncio.Condition()

        async def tell() -> None:
            async with told:
                told.notify_all()

        def take(turn: Turn) -> None:
            turns.append(turn)
            tasks.append(asyncio.ensure_future(tell()))

        tasks: list[asyncio.Future[None]] = []
        listener.on("user_turn_emotion", take)
        listener.on("user_emotion", events.append)
        session = AgentSession(vad=inference.VAD(), turn_detection="vad")
        session.input.audio = sound
        silent = agent()
        await session.start(silent, record=False)
        await listener.start(session)
        await asyncio.wait_for(sound.ended.wait(), 60)
        if meanwhile is not None:
            await meanwhile(sound, turns)
        async with told:
            await asyncio.wait_for(told.wait_for(lambda: len(turns) >= turns_expected), 60)
        if isinstance(silent, Silent) and silent._listener is not None:
            await asyncio.wait_for(silent.turned.wait(), 60)
        await session.aclose()
        if listener._showing is not None:
            await listener._showing
        return silent

    return turns, events, asyncio.run(main())


@pytest.fixture(autouse=True)
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound comes faster than it is spoken, so it would be late, and some left out; then no two runs are alike."""
    monkeypatch.setattr("emovox.turns.LATE", 1e9)
    monkeypatch.setattr("emovox.server.routes.live.LATE", 1e9)
    monkeypatch.setattr("emovox.live_client.PATIENCE", 60)


def test_sound_in_and_emotions_out(recognizer: Recognizer, speech: Waveform) -> None:
    listener = EmovoxListener(recognizer=recognizer, updates=True)
    turns, events, _ = hear(listener, pcm(speech) + pcm(speech), turns_expected=2)
    assert {turn.emotion for turn in turns} == {"angry"}
    assert all(turn.scores and turn.confidence and turn.speech > 0.5 for turn in turns)
    assert listener.turn == turns[-1]
    assert any(isinstance(event, LiveUpdate) for event in events)
    listener = EmovoxListener(recognizer=recognizer)
    assert all(isinstance(event, EmotionChanged) for event in hear(listener, pcm(speech))[1])


def test_the_session_goes_on_while_the_model_runs(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()
    monkeypatch.setattr(Engine, "run", held(Engine.run, going))
    pieces = pcm(speech)

    async def meanwhile(sound: Sound, turns: list[Turn]) -> None:
        assert (sound.taken, turns) == (len(pieces), [])
        going.set()

    turns, _, _ = hear(EmovoxListener(recognizer=recognizer), pieces, meanwhile=meanwhile)
    assert turns[0].emotion == "angry"


def test_a_line_reaches_the_llms_context_where_the_agent_wants_it(
    recognizer: Recognizer, speech: Waveform
) -> None:
    own = baseline(recognizer.metadata)
    listener = EmovoxListener(recognizer=recognizer, baseline=own)
    *_, agent = hear(listener, pcm(speech, 3), agent=lambda: Silent(listener))
    role, line = agent.contexts[0][-1]
    assert role == "developer"
    assert line is not None
    assert "The user’s voice in this turn: " in line
    assert f"relative to {own.name}" in line


def test_attributes_in_a_room(recognizer: Recognizer, speech: Waveform) -> None:
    room = Room()
    [turn, *_], _, _ = hear(EmovoxListener(recognizer=recognizer, room=room), pcm(speech))
    assert room.told[0] == turn.attributes()
    assert turn.attributes()["emovox.emotion"] == "angry"
    assert not any(room.attributes.values()), "when the session has ended the room shows nothing any more"


def test_a_room_shows_the_latest_turn_alone(recognizer: Recognizer) -> None:
    room = Room()
    listener = EmovoxListener(recognizer=recognizer, room=room)
    first = Turn(start=0, end=1, speech=1, emotion="angry", confidence=0.9)
    withheld = Turn(start=1, end=2, speech=1, warnings=("not_inferred",))

    async def main() -> None:
        listener._loop = asyncio.get_running_loop()
        for turn in (first, withheld):
            listener._show(turn)
        assert listener._showing is not None
        await listener._showing

    asyncio.run(main())
    assert room.told[0]["emovox.emotion"] == "angry"
    assert room.attributes == dict.fromkeys(first.attributes(), "")


def test_a_reply_doesnt_wait_for_what_takes_long(
    recognizer: Recognizer, speech: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that hangs, or a room that takes no attributes."""
    going, run = threading.Event(), Engine.run
    monkeypatch.setattr(Engine, "run", held(run, going))
    listener = EmovoxListener(recognizer=recognizer)

    class Waiting(Silent):
        async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
            await listener.add_line(turn_ctx)
            replied.append(going.is_set())
            going.set()
            await super().on_user_turn_completed(turn_ctx, new_message)

    replied: list[bool] = []
    hear(listener, pcm(speech, 3), agent=Waiting)
    assert replied[0] is False


def test_closing_leaves_the_session_as_it_was(recognizer: Recognizer) -> None:
    async def main() -> None:
        sound, session, listener = Sound([]), AgentSession(), EmovoxListener(recognizer=recognizer)
        session.input.audio = sound
        await listener.start(session)
        assert session.input.audio is not sound
        listener.close()
        assert session.input.audio is sound
        listener.close()

    asyncio.run(main())


def test_through_a_service(shared: Client, speech: Waveform) -> None:
    turns, _, _ = hear(EmovoxListener(url=str(shared.base_url)), pcm(speech))
    assert turns[0].emotion == "angry"


def test_without_its_service_the_agent_goes_on(speech: Waveform) -> None:
    turns, _, _ = hear(EmovoxListener(url="http://localhost:1"), pcm(speech), turns_expected=0)
    assert turns == []


def test_a_session_without_sound_is_refused(recognizer: Recognizer) -> None:
    async def main() -> None:
        await EmovoxListener(recognizer=recognizer).start(AgentSession())

    with pytest.raises(OptionsError, match=r"behind session\.start"):
        asyncio.run(main())


def test_its_example(tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    angry = next(path for path in examples if "angry" in path.name)
    told = run_example("livekit", tmp_path, monkeypatch, str(angry))
    assert " s  angry " in told
