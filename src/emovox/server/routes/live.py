"""Live recognition over a WebSocket: sound in as it comes, events out, and stored outputs in the end.

The client's first message is JSON: `LiveStart`. Then come binary messages of PCM, with channels interleaved, and
in the end the text `{"type": "end"}`; `{"type": "pause"}` asks for patience until there is sound again. The
service answers with the events of `Recognizer.live` (of version 2; the query's `events` may say so), with
`{"type": "heartbeat"}` while there is nothing else to say, with `{"type": "baseline", "baseline": …}` wherever
what they are relative to becomes another, and in the end with
`{"type": "ended", "output": ID or null}`, with `baseline` and `warnings` where it was to be relative to one, and
with `policy` where a side was declared; or, where it fails, with `{"type": "problem", "problem": …}`, which
says where the sound is, if it was to be stored.
"""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Literal, cast

import numpy as np
from anyio import fail_after, move_on_after
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.errors import OutputsError, TooShortError
from emovox.exports import check_values
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.live import Event, Live
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import Options, Request
from emovox.inference.recognizer import Recognizer
from emovox.saving import Save
from emovox.server.http.problems import Problem, from_error, from_validation, log
from emovox.server.options import RecognitionOptions
from emovox.server.service import Service, begin_save, finish

router = APIRouter()

START = 10.0  # seconds for the first message
IDLE = 60.0  # seconds with less sound than LEAST, after which the stream ends
PAUSE = 900.0  # seconds, where the client has said that it pauses
LEAST = 1.0  # second of sound
HEARTBEAT = 5.0
BUFFER = 10.0  # seconds of sound that may wait; more waits at the client, by TCP
BUFFER_BYTES = 2**22  # beyond which no more messages, of a megabyte at most, are read
MOST = 8_000_000  # samples a second in all channels; 64 channels at 96 kHz are fewer
LATE = 0.5  # seconds behind, from which only the latest sound is judged
_TYPES = {"s16": "<i2", "f32": "<f4"}


class LiveStart(BaseModel):
    """The first message."""

    model_config = ConfigDict(extra="forbid")

    sample_rate: int = Field(ge=1_000, le=768_000)
    format: Literal["s16", "f32"] = "s16"
    channels: int = Field(1, ge=1, le=64)
    model: str | None = None
    emotions: str | list[str] | None = None
    head: str | None = None
    baseline: str | None = None
    expect: str | None = None
    side: str | None = None
    purpose: str | None = None
    consent: str | None = None
    notice: bool = False
    export: str | list[str] | None = None
    store: bool = False
    name: str | None = Field(None, max_length=4096)

    @model_validator(mode="after")
    def _check(self) -> "LiveStart":
        if self.sample_rate * self.channels > MOST:
            raise ValueError(f"sample_rate times channels must be at most {MOST:,} samples a second")
        return self

    def to_options(self) -> RecognitionOptions:
        """The options, checked as for a recording, which in the end is recognised by frame and with segments."""
        emotions, export = (
            ",".join(words) if isinstance(words, list) else words for words in (self.emotions, self.export)
        )
        return RecognitionOptions.parse(
            {
                "granularity": "frame",
                "segments": True,
                "model": self.model,
                "emotions": emotions,
                "head": self.head,
                "baseline": self.baseline,
                "expect": self.expect,
                "side": self.side,
                "purpose": self.purpose,
                "consent": self.consent,
                "export": export,
                "store": self.store,
            }
        )


class _Stream:
    """One connection."""

    def __init__(self, socket: WebSocket, start: LiveStart) -> None:
        self._socket, self._start = socket, start
        self._waiting: deque[NDArray[Any]] = deque()
        self._samples, self._seconds, self._bytes = 0, 0.0, 0  # of sound that waits
        self._changed = asyncio.Condition()
        self._rest = b""
        self._since, self._fresh = time.monotonic(), 0.0  # seconds of sound received since then
        self._has_sound = False  # LEAST of sound, since it last paused
        self.seconds = 0.0  # of sound in all
        self.ended = False  # no more sound will come
        self.gone = False  # nothing can be sent, either

    async def receive(self) -> None:
        """Receive messages until the end, but none while too much waits. Only sound keeps the stream alive."""
        try:
            while True:
                with fail_after(max(0.0, self._since + IDLE - time.monotonic())):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    self.gone = True
                    return
                if message.get("bytes") is not None:
                    await self._take(message["bytes"])
                elif (kind := _kind(message.get("text"))) == "end":
                    return
                elif kind == "pause":
                    if self._has_sound:  # once for some sound: pauses alone don't keep a stream
                        self._since, self._has_sound = time.monotonic() + PAUSE - IDLE, False
                else:
                    raise Problem(400, "unknown-message", 'send sound, {"type": "pause"} or {"type": "end"}')
        except TimeoutError:
            return
        finally:
            async with self._changed:
                self.ended = True
                self._changed.notify_all()

    async def next(self, needed: int) -> tuple[NDArray[Any], bool] | None:
        """All sound that waits, once it is what an event needs, and whether it is late.

        None after the end; less than is needed, or none, after a while without more.
        """
        async with self._changed:
            with move_on_after(HEARTBEAT):
                await self._changed.wait_for(
                    lambda: self._samples >= max(1, needed) or self._is_full or self.ended
                )
            if not self._waiting:
                return None if self.ended else (np.empty((0, self._start.channels), np.float32), False)
            late = self._seconds - needed / self._start.sample_rate > LATE
            samples = np.concatenate(list(self._waiting))
            self._waiting.clear()
            self._samples, self._seconds, self._bytes = 0, 0.0, 0
            self._changed.notify_all()
            return samples, late

    @property
    def _is_full(self) -> bool:
        """Whether so much waits that no more is taken."""
        return self._seconds >= BUFFER or self._bytes >= BUFFER_BYTES

    async def tell(self, events: Iterable[Event]) -> None:
        for event in events:
            await self.send(event.to_dict())

    async def tell_baseline(self, facts: BaselineFacts) -> None:
        """Say what the following events are relative to."""
        await self.send({"type": "baseline", "baseline": facts.model_dump(mode="json")})

    async def send(self, data: dict[str, Any]) -> None:
        if not self.gone:
            await _say(self._socket, data)

    async def _take(self, data: bytes) -> None:
        width = np.dtype(_TYPES[self._start.format]).itemsize * self._start.channels
        data = self._rest + data
        whole = len(data) // width * width
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], _TYPES[self._start.format]).reshape(-1, self._start.channels)
        seconds, started = len(samples) / self._start.sample_rate, time.monotonic()
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_full)
            if len(samples):
                self._waiting.append(samples)
            self._samples += len(samples)
            self._seconds, self._bytes = self._seconds + seconds, self._bytes + samples.nbytes
            self.seconds += seconds
            self._changed.notify_all()
        self._since += time.monotonic() - started  # the service made the client wait
        self._fresh += seconds
        if self._fresh >= LEAST:
            self._since, self._fresh, self._has_sound = time.monotonic(), 0.0, True


@router.websocket("/v1/live")
async def live(socket: WebSocket, events: str = "2") -> None:
    """Recognise a stream as it comes."""
    service = cast("Service", socket.app.state.service)
    await socket.accept()
    try:
        start = await _first(socket)
        if events != "2":
            raise Problem(400, "unknown-version", "events must be 2: there is no other version")
        if service.policy.notice and not start.notice:
            detail = 'the policy demands that who speaks was told: say so with "notice": true'
            raise Problem(422, "notice-needed", detail)
        if service.streams >= service.settings.service.max_streams:
            raise Problem(503, "busy", "too many streams are open: try again later")
        service.streams += 1
        try:
            await _run(service, socket, start)
        finally:
            service.streams -= 1
    except WebSocketDisconnect:
        return
    except Exception as error:
        problem = from_error(error)
        await _say(socket, {"type": "problem", "problem": problem.to_dict()})
        await _close(
            socket, 1013 if problem.status == 503 else 1011 if problem.status == 500 else 1008, problem.kind
        )


async def _first(socket: WebSocket) -> LiveStart:
    try:
        with fail_after(START):
            message = await socket.receive()
    except TimeoutError:
        raise Problem(408, "too-slow", "the first message did not arrive in time") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    try:
        start = LiveStart.model_validate_json(message.get("text") or "")
        start.to_options()
    except ValidationError as error:
        raise from_validation(error) from None
    return start


async def _run(service: Service, socket: WebSocket, start: LiveStart) -> None:
    stream = _Stream(socket, start)
    parameters = start.to_options()
    choice, options = parameters.choice(service.settings.model), parameters.to_options()
    async with AsyncExitStack() as stack:
        recognizer = await stack.enter_async_context(_borrowed(service, choice))
        if not recognizer.metadata.readouts and options.head is None:
            detail = f"the model {recognizer.metadata.name} gives embeddings only: choose another"
            raise Problem(422, "embeddings-only", detail)
        check_values(parameters.export, recognizer.metadata.readouts, options.head)
        save = await stack.enter_async_context(begin_save(service.saving(parameters)))
        await stack.enter_async_context(_rescue(save))
        recognition = await asyncio.to_thread(  # where a model's emotions lie may have to be measured first
            recognizer.live,
            sample_rate=start.sample_rate,
            emotions=options.emotions,
            head=options.head,
            baseline=options.baseline,
            expect=options.expect,
            side=options.side,
            purpose=options.purpose,
            consent=options.consent,
            sink=save.live_sink,
        )
        receiving = asyncio.create_task(stream.receive())
        try:
            if await _tell(service, stream, recognition):
                await receiving
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])
            _ = receiving.cancelled() or receiving.exception()  # one that matters was raised above
        await stream.tell(await asyncio.to_thread(recognition.finish))
        if parameters.store and stream.seconds:
            await _store(service, save, choice, options, start.name)
        missing = {} if save.problem is None else {"problem": from_error(save.problem).to_dict()}
        await stream.send(
            {
                "type": "ended",
                "output": save.directory and save.directory.name,
                **missing,
                **_relation(recognition),
            }
        )
        await _close(socket)


async def _tell(service: Service, stream: _Stream, recognition: Live) -> bool:
    """Recognise the sound and send events; False if the service ended it, because it stops or it got too long."""
    loop, checksum = asyncio.get_running_loop(), ""
    while (sound := await stream.next(recognition.needed)) is not None and not service.stopping:
        samples, late = sound
        if not len(samples):
            await stream.send({"type": "heartbeat"})
            continue
        push = partial(recognition.push, samples, catch_up=late)
        events = await loop.run_in_executor(service.live_threads, push)
        facts = recognition.baseline
        if facts is not None and facts.checksum != checksum:
            checksum = facts.checksum
            await stream.tell_baseline(facts)
        await stream.tell(events)
        if stream.seconds > service.settings.max_duration:
            return False
    return not service.stopping


def _relation(recognition: Live) -> dict[str, Any]:
    """What the events were relative to, and why they weren't; and what the policy decided."""
    facts, policy = recognition.baseline, recognition.policy
    return {
        **({} if policy is None else {"policy": policy.model_dump(mode="json")}),
        **({} if facts is None else {"baseline": facts.model_dump(mode="json")}),
        **({"warnings": recognition.warnings} if recognition.warnings else {}),
    }


async def _store(service: Service, save: Save, choice: ModelChoice, options: Options, name: str | None) -> None:
    """Recognise the whole stream, and store the result unless it was too short."""
    request = Request(
        await asyncio.to_thread(save.finish_audio),
        save.options(options),
        name=name or "live",
        embedding_sink=save.embedding_sink,
    )
    try:
        recognition = await service.scheduler.recognize(choice, request)
    except TooShortError:
        return
    await finish(service.commit(save, recognition))


@asynccontextmanager
async def _rescue(save: Save) -> AsyncIterator[None]:
    """If a stream that was to be stored fails, keep its sound, which can't be sent again, and say where."""
    try:
        yield
    except BaseException as error:
        try:
            path = await finish(asyncio.to_thread(save.rescue))
        except OutputsError as refusal:
            log.error("the sound of a stream is lost: %s", refusal)
            path = None
        if path is None or not isinstance(error, Exception):
            raise
        problem = from_error(error)
        problem.detail += f"; the sound is kept in the service's outputs: {path.name}"
        raise problem from error


@asynccontextmanager
async def _borrowed(service: Service, choice: ModelChoice) -> AsyncIterator[Recognizer]:
    holder = service.models.borrow(choice)
    recognizer = await asyncio.to_thread(holder.__enter__)
    try:
        yield recognizer
    finally:
        holder.__exit__(None, None, None)


async def _say(socket: WebSocket, data: dict[str, Any]) -> None:
    """Send a message, unless the client has left, which it may at any time without error."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_text(json.dumps(data, ensure_ascii=False))


async def _close(socket: WebSocket, code: int = 1000, reason: str | None = None) -> None:
    """Close, unless the client has."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.close(code, reason)


def _kind(text: str | None) -> Any:
    """The type of a message; None: it is none."""
    try:
        return data.get("type") if isinstance(data := json.loads(text or ""), dict) else None
    except (ValueError, RecursionError):
        return None
