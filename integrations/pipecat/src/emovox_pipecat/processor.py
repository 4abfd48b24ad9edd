"""A processor that recognises the user's turns, and frames that say what they sounded like."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    LLMMessagesAppendFrame,
    SystemFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from emovox.errors import EmovoxError, ServiceUnreachableError
from emovox.inference.live import EmotionChanged, Event, LiveUpdate
from emovox.inference.turn import Turn, check_language
from emovox.turns import Turns


@dataclass
class UserTurnEmotionFrame(SystemFrame):
    """What the user's turn, which has just ended, sounded like."""

    turn: Turn


@dataclass
class UserEmotionFrame(SystemFrame):
    """While the user speaks: the emotion has changed; or the scores of the last second, if asked for."""

    event: EmotionChanged | LiveUpdate


class EmovoxProcessor(FrameProcessor):
    """Recognises the user's turns, behind the transport's input, and behind the VAD where that is a processor.

    All frames go on at once; sound is recognised in a thread. A turn ends with the first of
    `VADUserStoppedSpeakingFrame` and `UserStoppedSpeakingFrame`. One processor is for one voice.
    """

    def __init__(
        self, *, updates: bool = False, prompt: str | None = None, name: str | None = None, **arguments: Any
    ) -> None:
        """Begin.

        Args:
            updates: whether to push the scores of the last second, every quarter second while somebody speaks.
            prompt: `en` or `zh`: each turn is told to the LLM in a line of that language, as a message of the
                role developer. By default it isn't.
            name: of this processor.
            **arguments: as of `emovox.turns.Turns`: recognizer, model, url, key, baseline, side and so on.

        Raises:
            OptionsError: another language.
        """
        super().__init__(name=name)
        if prompt is not None:
            check_language(prompt)
        self._updates, self._prompt, self._arguments = updates, prompt, arguments
        self._news: asyncio.Queue[Event | Future[Turn | None]] = asyncio.Queue()
        self._turns: Turns | None = None
        self._turn: Future[Turn | None] | None = None  # the latest that has ended
        self._speaking = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Load the model, or connect.

        Raises:
            EmovoxError: it can't recognise; unless only the service can't be reached at present.
        """
        await super().setup(setup)
        self._loop = asyncio.get_running_loop()
        self._turns = Turns(on_event=self._tell, **self._arguments)
        try:
            await asyncio.wrap_future(self._turns.ready)
        except ServiceUnreachableError as error:
            logger.warning(f"{self}: {error}")
        self._pump = self.create_task(self._push_news())

    async def cleanup(self) -> None:
        """Stop."""
        await super().cleanup()
        if self._turns is not None:
            self._turns.close()
            await self.cancel_task(self._pump)
            self._turns = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what is sound, see when turns begin and end, and pass everything on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame):
            await self._finish()
        await self.push_frame(frame, direction)
        if self._turns is None:
            return
        if isinstance(frame, InputAudioRawFrame):
            channels = max(1, frame.num_channels)
            whole = len(frame.audio) // (2 * channels) * channels  # a transport may cut a frame anywhere
            samples = np.frombuffer(frame.audio, "<i2", whole).reshape(-1, channels)
            self._turns.push(samples, frame.sample_rate)
        elif isinstance(frame, (VADUserStartedSpeakingFrame, UserStartedSpeakingFrame)) and not self._speaking:
            self._speaking = True
            self._turns.begin()
        elif isinstance(frame, (VADUserStoppedSpeakingFrame, UserStoppedSpeakingFrame)):
            self._end()

    def _end(self) -> None:
        if self._speaking and self._turns is not None:
            self._speaking = False
            self._turn = self._turns.end()
            self._turn.add_done_callback(self._tell)

    async def _finish(self) -> None:
        """End a turn in which the pipeline ends, and wait until all is told."""
        self._end()
        if self._turn is not None:
            with suppress(EmovoxError):
                await asyncio.wrap_future(self._turn)
            await asyncio.sleep(0)  # for what the thread has told
            await self._news.join()

    def _tell(self, news: "Event | Future[Turn | None]") -> None:
        """From the thread to the event loop; which may have ended."""
        if self._updates or not isinstance(news, LiveUpdate):
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.put_nowait, news)

    async def _push_news(self) -> None:
        while True:
            news = await self._news.get()
            try:
                if isinstance(news, Future):
                    await self._push_turn(news)
                else:
                    await self.push_frame(UserEmotionFrame(event=news))
            finally:
                self._news.task_done()

    async def _push_turn(self, future: "Future[Turn | None]") -> None:
        try:
            turn = future.result()
        except EmovoxError as error:
            logger.warning(f"{self}: this turn wasn't recognised: {error}")
            return
        if turn is None:
            return
        await self.push_frame(UserTurnEmotionFrame(turn=turn))
        line = turn.line(self._prompt) if self._prompt else None
        if line is not None:
            message = {"role": "developer", "content": line}
            await self.push_frame(LLMMessagesAppendFrame(messages=[message], run_llm=False))
