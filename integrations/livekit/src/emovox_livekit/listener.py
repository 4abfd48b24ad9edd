"""What recognises the turns of an agent's user, and tells what their turns sounded like."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from livekit import rtc
from livekit.agents import AgentSession, UserStateChangedEvent, llm
from livekit.agents.voice.io import AudioInput

from emovox.errors import EmovoxError, OptionsError, ServiceUnreachableError
from emovox.inference.live import Event, LiveUpdate
from emovox.inference.turn import Turn
from emovox.turns import Turns

PATIENCE = 0.5
"""Seconds that a reply may wait for the line; a service that is away takes longer to find out."""

logger = logging.getLogger("emovox")


class EmovoxListener(rtc.EventEmitter[Literal["user_turn_emotion", "user_emotion"]]):
    """Recognises the turns of a session's user; the session goes on while it does.

    It emits `user_turn_emotion` with a `Turn` when the user has stopped speaking, as the session's
    `user_state_changed` says; and meanwhile `user_emotion` with an `EmotionChanged`, or, if they were asked for, a
    `LiveUpdate` every quarter second.

    Attributes:
        turn: the latest; None: there is none, or nobody spoke in it.
    """

    def __init__(self, *, updates: bool = False, room: rtc.Room | None = None, **arguments: Any) -> None:
        """Begin.

        Args:
            updates: whether to emit the scores of the last second, too.
            room: where the agent's own participant gets the latest turn as attributes, for other participants to
                see: `emovox.emotion`, `emovox.confidence` and so on. By default they see nothing.
            **arguments: as of `emovox.turns.Turns`: recognizer, model, url, key, baseline, side and so on.
        """
        super().__init__()
        self.turn: Turn | None = None
        self._updates, self._room, self._arguments = updates, room, arguments
        self._turns: Turns | None = None
        self._telling: asyncio.Task[None] | None = None  # of the latest turn that has ended
        self._session: AgentSession | None = None
        self._attributes: dict[str, str] = {}  # that the room has
        self._showing: asyncio.Task[None] | None = None

    async def start(self, session: AgentSession) -> None:
        """Load the model, or connect, and listen to the session's sound. Call it behind `session.start`.

        Raises:
            OptionsError: the session has no sound.
            EmovoxError: it can't listen; unless only the service can't be reached at present.
        """
        source = session.input.audio
        if source is None:
            raise OptionsError("the session has no sound yet: start the listener behind session.start(…)")
        self._loop = asyncio.get_running_loop()
        self._turns = Turns(on_event=self._tell, **self._arguments)
        try:
            await asyncio.wrap_future(self._turns.ready)
        except ServiceUnreachableError as error:
            logger.warning("%s", error)
        self._session = session
        session.input.audio = _Heard(source, self._push)
        session.on("user_state_changed", self._change)
        session.on("close", self._leave)

    def close(self) -> None:
        """Stop: the session goes on as before, and the room's participants see no turn any more."""
        if self._turns is None:
            return
        self._turns.close()
        self._turns = None
        if self._session is not None:
            self._session.off("user_state_changed", self._change)
            self._session.off("close", self._leave)
            heard = self._session.input.audio
            if isinstance(heard, _Heard) and heard.source is not None:
                self._session.input.audio = heard.source
            self._session = None
        self._show(None)

    def _leave(self, _: object) -> None:
        self.close()

    async def add_line(self, context: llm.ChatContext, language: str = "en") -> None:
        """Tell the LLM in a line what the turn sounded like: for an agent's `on_user_turn_completed`.

        A turn that isn't known within half a second gets no line: the reply doesn't wait for it.

        Args:
            context: the first argument of that.
            language: of the line, `en` or `zh`.

        Raises:
            OptionsError: another language.
        """
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=PATIENCE)
        line = self.turn.line(language) if self.turn is not None else None
        if line is not None:
            context.add_message(role="developer", content=line)

    def _push(self, frame: rtc.AudioFrame) -> None:
        if self._turns is not None:
            samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels).copy()
            self._turns.push(samples, frame.sample_rate)

    def _change(self, event: UserStateChangedEvent) -> None:
        if self._turns is None:
            return
        if event.new_state == "speaking":
            self._turns.begin()
        elif event.old_state == "speaking":
            self._telling = asyncio.create_task(self._end(self._turns))

    async def _end(self, turns: Turns) -> None:
        self.turn = None
        try:
            turn = await asyncio.wrap_future(turns.end())
        except EmovoxError as error:
            logger.warning("this turn wasn't recognised: %s", error)
            turn = None
        self.turn = turn
        if turns is self._turns:
            self._show(turn)
        if turn is not None:
            self.emit("user_turn_emotion", turn)

    def _show(self, turn: Turn | None) -> None:
        """Have the room show a turn and nothing of the one before; an empty text removes an attribute."""
        attributes = {} if turn is None else turn.attributes()
        changes = {**dict.fromkeys(self._attributes, ""), **attributes}
        self._attributes = attributes
        if self._room is not None and changes and self._loop.is_running():
            self._showing = self._loop.create_task(self._set_attributes(self._room, changes, self._showing))

    async def _set_attributes(
        self, room: rtc.Room, changes: dict[str, str], before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None:  # in order
            await asyncio.wait([before])
        try:
            await room.local_participant.set_attributes(changes)
        except Exception as error:  # the room may have gone
            logger.warning("the room doesn't take attributes: %s", error)

    def _tell(self, event: Event) -> None:
        """From the thread to the event loop; which may have ended."""
        if self._updates or not isinstance(event, LiveUpdate):
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.emit, "user_emotion", event)


class _Heard(AudioInput):
    """A session's sound, which somebody else hears, too."""

    def __init__(self, source: AudioInput, take: Callable[[rtc.AudioFrame], None]) -> None:
        super().__init__(label="Emovox", source=source)
        self._take = take

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await super().__anext__()
        self._take(frame)
        return frame
