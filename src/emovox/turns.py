"""The turns of one voice, recognised in a thread of its own while they are spoken: what voice agents are built on.

Sound goes in without waiting, and a turn comes out as a future once its last sound is recognised. It is
recognised here, or by a service over its WebSocket, with the same result. The frameworks' own packages are in
`integrations/`.
"""

import atexit
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emovox.audio.waveform import SAMPLE_RATE, Resampler, Waveform, to_float
from emovox.errors import EmovoxError, OptionsError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.live import Event, Live, LiveUpdate
from emovox.inference.recognizer import Recognizer
from emovox.inference.turn import SECONDS, Turn, turn_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from emovox.inference.options import LiveArguments

_Sound = tuple[NDArray[Any], int]  # samples, and their rate

LEAD = 1.0
"""Seconds before a turn is said to begin that belong to it: who says so has waited to be sure."""
PATIENCE = 10.0  # seconds that the program's end may wait
LATE = 0.5  # seconds of sound that wait, from which only the latest is judged
MOST = 600.0  # seconds of a turn; of a longer one the latest count
_CLOSED = "it is closed: no turn is recognised any more"


class Stream(Protocol):
    """What recognises: a stream of 16 kHz, mono."""

    @property
    def baseline(self) -> BaselineFacts | None: ...  # noqa: D102

    @property
    def warnings(self) -> list[str]: ...  # noqa: D102

    def push(self, samples: Waveform, *, catch_up: bool = False) -> list[Event]:
        """Take sound; returns the events there are."""
        ...

    def settle(self) -> list[Event]:
        """The events of all sound so far that are still missing."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Turns:
    """The voice of one person who speaks with an agent. Its methods never wait, and may be called from any thread.

    Examples:
        >>> turns = Turns(side="customer", baseline="self")
        >>> turns.begin(); turns.push(samples, 48_000); turn = turns.end().result()
        >>> turn.emotion, turn.confidence, turn.values, turn.baseline
    """

    def __init__(
        self,
        recognizer: Recognizer | None = None,
        *,
        model: str | None = None,
        url: str | None = None,
        key: str | None = None,
        notice: bool = False,
        on_event: Callable[[Event], None] | None = None,
        **arguments: "Unpack[LiveArguments]",
    ) -> None:
        """Begin; what it needs is loaded meanwhile, see `ready`.

        Args:
            recognizer: to use; by default one is loaded.
            model: of that, or of the service; by default its setting.
            url: of a service to ask instead, as http://localhost:7860.
            key: its API key, where it demands one.
            notice: whether the speaker was told, which a service's policy may demand.
            on_event: gets the stream's events while somebody speaks, in this object's thread.
            **arguments: as of `Recognizer.live`: emotions, head, baseline, expect, side, purpose, consent. The
                baseline `self` is that of this voice, by what it has said since this object began.

        Raises:
            OptionsError: a recognizer and a service, or what only one of the two can be given.
        """
        if url is None and key is not None:
            raise OptionsError("an API key is for a service: give its url, too")
        if recognizer is not None and (url is not None or model is not None):
            raise OptionsError("give a recognizer, or the url or model of another, and not both")
        if url is None:
            self._open: Callable[[], Stream] = lambda: _Here((recognizer or Recognizer(model)).live(**arguments))
        else:
            from emovox.live_client import LiveClient  # noqa: PLC0415  websockets needn't be installed

            self._open = lambda: LiveClient(url, key=key, model=model, notice=notice, **arguments)
        self._on_event = on_event
        self._updates: deque[LiveUpdate] = deque(maxlen=round(MOST / SECONDS))
        self._speaking = False
        self._samples = 0  # samples of the stream, at 16 kHz
        self._since = 0.0  # seconds of the stream, from which on updates belong to the turn
        self._resampler = Resampler(SAMPLE_RATE)
        self._stream: Stream | None = None
        self._error: EmovoxError | None = None
        self._closed, self._lock = False, threading.Lock()
        self._orders: queue.SimpleQueue[Callable[[], bool] | _Sound] = queue.SimpleQueue()
        self.ready: Future[None] = Future()
        """Done when the model, or the service, is there; or what went wrong."""
        self._thread = threading.Thread(target=self._run, name="emovox-turns", daemon=True)
        self._thread.start()
        atexit.register(self._leave)

    def push(self, samples: NDArray[Any], sample_rate: int) -> None:
        """Take the next sound, of any rate: (n,) or (n, channels), which are averaged."""
        self._order((samples, sample_rate))

    def begin(self) -> None:
        """Somebody begins to speak: what is older than a second belongs to no turn."""
        self._order(self._begin)

    def end(self) -> "Future[Turn | None]":
        """A turn has ended: what it was, once all sound so far is recognised. None: nobody spoke.

        Its exception is an EmovoxError where recognition failed; the next `begin` tries again.
        """
        future: Future[Turn | None] = Future()
        if not self._order(lambda: self._end(future)):
            future.set_exception(EmovoxError(_CLOSED))
        return future

    def close(self) -> None:
        """Stop. Turns that have ended are still told; sound comes to nothing from now on."""
        self._order(lambda: False, last=True)

    def _order(self, order: "Callable[[], bool] | _Sound", *, last: bool = False) -> bool:
        """Have something done by the thread; False: it does nothing any more."""
        with self._lock:
            if self._closed:
                return False
            self._orders.put(order)
            self._closed = last
            return True

    def _leave(self) -> None:
        """When the program ends: a thread must not be in the model then, which would abort the program."""
        self.close()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        self._work()
        atexit.unregister(self._leave)

    def _work(self) -> None:
        try:
            self._stream = self._open()
        except Exception as error:
            self._error = _explained(error)
            self.ready.set_exception(error)
        else:
            self.ready.set_result(None)
        going = True
        while going:
            order = self._orders.get()
            sound: list[_Sound] = []
            while isinstance(order, tuple):  # all that waits, at once
                sound.append(order)
                if self._orders.empty():
                    break
                order = self._orders.get()
            if sound:
                self._guarded(partial(self._push, sound))
            going = isinstance(order, tuple) or order()
        self._drop(EmovoxError(_CLOSED))

    def _guarded(self, work: Callable[[Stream], None]) -> None:
        """Work with the stream; after an error there is none, until somebody speaks again."""
        if self._stream is None:
            return
        try:
            work(self._stream)
        except Exception as error:
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        """Let the stream go, because of an error."""
        stream, self._stream, self._error = self._stream, None, _explained(error)
        self._updates.clear()
        if stream is not None:
            with suppress(Exception):  # it may be broken
                stream.close()

    def _push(self, sound: list[_Sound], stream: Stream) -> None:
        waveform = np.concatenate([self._converted(samples, rate) for samples, rate in sound])
        self._samples += len(waveform)
        self._take(stream.push(waveform, catch_up=len(waveform) > LATE * SAMPLE_RATE))

    def _settle(self, stream: Stream) -> None:
        self._take(stream.settle())

    def _converted(self, samples: NDArray[Any], rate: int) -> Waveform:
        if rate != self._resampler.rate:
            self._resampler = Resampler(rate)
        scaled = to_float(samples)
        return self._resampler.push(np.ascontiguousarray(scaled if scaled.ndim == 1 else scaled.mean(axis=1)))

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, LiveUpdate) and event.time > self._since:
                self._updates.append(event)
            if self._on_event is not None and (not isinstance(event, LiveUpdate) or event.speech):
                self._on_event(event)
        while not self._speaking and len(self._updates) > LEAD / SECONDS:
            self._updates.popleft()

    def _begin(self) -> bool:
        self._speaking = True
        self._since = max(self._since, self._samples / SAMPLE_RATE - LEAD)
        if self._stream is None:
            try:
                self._stream, self._error, self._samples, self._since = self._open(), None, 0, 0.0
            except Exception as error:
                self._error = _explained(error)
        return True

    def _end(self, future: "Future[Turn | None]") -> bool:
        future.set_running_or_notify_cancel()
        self._guarded(self._settle)
        self._speaking, self._since = False, self._samples / SAMPLE_RATE
        updates, stream = list(self._updates), self._stream
        self._updates.clear()
        if future.cancelled():
            return True
        try:
            if stream is None:
                raise self._error or EmovoxError(_CLOSED)
            future.set_result(turn_of(updates, stream.baseline, stream.warnings))
        except Exception as error:
            future.set_exception(_explained(error))
        return True


def _explained(error: Exception) -> EmovoxError:
    """Any error as one of those that callers expect."""
    return error if isinstance(error, EmovoxError) else EmovoxError(f"{type(error).__name__}: {error}")


class _Here:
    """A stream of a recognizer."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def baseline(self) -> BaselineFacts | None:
        return self._live.baseline

    @property
    def warnings(self) -> list[str]:
        return self._live.warnings

    def push(self, samples: Waveform, *, catch_up: bool = False) -> list[Event]:
        return self._live.push(samples, catch_up=catch_up)

    def settle(self) -> list[Event]:
        return []

    def close(self) -> None:
        self._live.finish()
