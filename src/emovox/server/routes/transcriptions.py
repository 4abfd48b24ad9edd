"""Transcriptions as OpenAI's interface has them, from another service, with the emotions of this one beside."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from emovox.inference.recognition import Recognition
from emovox.policy import parse_sides
from emovox.saving import Save
from emovox.server.http.events import event
from emovox.server.http.openapi import transcription_body
from emovox.server.http.problems import Problem, from_error, invalid, responses
from emovox.server.http.request_body import Form, receive
from emovox.server.http.uploads import Upload
from emovox.server.jobs.progress import JobProgress
from emovox.server.options import RecognitionOptions, read
from emovox.server.service import Service, Words, receiving, service_of
from emovox.server.submission import unless_gone
from emovox.server.transcriber import Transcriber
from emovox.server.transcription import Marks, Transcription, events
from emovox.words import Cue, lines_of

EVENTS = "text/event-stream"
PROBLEM = "emovox.problem"
LONGEST = 2**24  # bytes of one event


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TranscriptionOptions(RecognitionOptions):
    """The options of the recognition beside a transcription, and how captions show it."""

    cues: Annotated[
        Marks | None,
        Field(
            description="how captions show emotions: `class` (`<c.angry>…</c>`, by default in VTT), `prefix` "
            "(`[angry] …`, by default in SRT) or `none`"
        ),
    ] = None

    again: Annotated[str | None, SkipJsonSchema()] = None  # no option here, and refused in words

    @model_validator(mode="after")
    def _check_again(self) -> "TranscriptionOptions":
        if self.again is not None:
            raise ValueError("again keeps the words that there are already: here the transcriber gives them")
        return self


class _Route(APIRoute):
    """A route whose errors are what OpenAI's clients read, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except HTTPException:
                raise
            except Exception as error:
                return _refused(from_error(error))

        return handle


router = APIRouter(prefix="/v1", tags=["recognition"], route_class=_Route)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the transcriber answered, in the form that was asked for, with the emotions. "
        "`Location` is the address of the stored outputs.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/plain": {"schema": {"type": "string"}},
            EVENTS: {"schema": {"type": "string"}},
        },
    },
}


@router.post(
    "/audio/transcriptions",
    response_class=Response,
    responses={**_ANSWERS, **responses(404, 408, 413, 415, 422, 502, 504, 507)},
    openapi_extra=transcription_body(TranscriptionOptions),
)
async def transcribe(request: Request) -> Response:
    """Transcribe a recording with the service's transcriber, and add the emotions.

    The form is the transcriber's, as OpenAI defines it, and goes there as it is; the query has the options of the
    recognition, those of POST /v1/recognitions. Without the setting `transcriber` there is none, and nothing is
    sent.
    """
    service = service_of(request)
    if (transcriber := service.transcriber) is None:
        detail = "this service has no transcriber: start it with `emovox serve --transcriber URL`"
        raise Problem(404, "no-transcriber", detail)
    options = read(request, {}, TranscriptionOptions, apart=frozenset({"name"}))
    side = options.side and parse_sides(options.side)[0]
    service.policy.demand(side or None, options.purpose, options.consent)  # before any of it leaves
    with receiving(service):
        limits = replace(service.limits, lists=True)
        form = await receive(request, service.uploads, limits, name=request.query_params.get("name"))
    async with AsyncExitStack() as stack:
        for each in form.files:
            stack.callback(service.uploads.remove, each.token)
        file = _file(form, request.query_params.get("name"))
        progress = JobProgress(size=file.size)
        stack.enter_context(service.admission.admit(progress))
        work = _Work(service, transcriber, form, file, options, progress)
        if form.fields.get("stream", "").lower() not in {"true", "1"}:
            return await unless_gone(request, work.whole())
        exchange = transcriber.ask(form, file, service.uploads.find(file.token))
        answer = await unless_gone(request, stack.enter_async_context(exchange))
        kind = answer.headers.get("content-type", "")
        if kind.startswith(EVENTS):
            return _Stream(work.streamed(answer), stack.pop_all())
        return await unless_gone(request, work.whole(answer))  # it doesn't stream


class _Stream(StreamingResponse):
    """Events, and what is closed when their last is sent or the client has gone."""

    def __init__(self, parts: AsyncGenerator[bytes, None], stack: AsyncExitStack) -> None:
        super().__init__(parts, media_type=EVENTS)
        self._parts, self._stack = parts, stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        async with self._stack, aclosing(self._parts):
            await super().__call__(scope, receive, send)


class _Work:
    """One request: what the transcriber writes, and what is recognised beside it."""

    def __init__(
        self,
        service: Service,
        transcriber: Transcriber,
        form: Form,
        file: Upload,
        options: TranscriptionOptions,
        progress: JobProgress,
    ) -> None:
        self._service, self._transcriber = service, transcriber
        self._form, self._file, self._options, self._progress = form, file, options, progress

    async def whole(self, answer: httpx.Response | None = None) -> Response:
        """The answer at once; the recording is decoded while the transcriber works."""
        transcribing = asyncio.ensure_future(self._transcribe(answer))

        async def words() -> Words:
            _, transcription = await transcribing
            return transcription.cues, transcription.lines

        try:
            recognition, save = await self._recognize(self._options, words)
            kind, transcription = await transcribing
        finally:
            await _end(transcribing)
        content = await asyncio.to_thread(
            transcription.with_emotions, recognition, self._options.cues, self._service.settings.labels
        )
        location, missing = _location(save), save.problem
        headers = {"Content-Type": kind} | ({} if location is None else {"Location": location})
        headers |= {} if missing is None else from_error(missing).beside()
        return Response(content, headers=headers)

    async def _transcribe(self, answer: httpx.Response | None) -> tuple[str, Transcription]:
        """The media type of the transcriber's answer, and what it says."""
        if answer is None:
            path = self._service.uploads.find(self._file.token)
            async with self._transcriber.ask(self._form, self._file, path) as asked:
                return await self._transcribe(asked)
        content = await self._transcriber.read(answer)
        kind = answer.headers.get("content-type", "application/octet-stream")
        if kind.startswith("text/html"):  # as whisper.cpp calls its text; nothing of it is to be run here
            kind = "text/plain; charset=utf-8"
        form = self._form.fields.get("response_format", "json")
        return kind, await asyncio.to_thread(Transcription, content, kind, form)

    async def streamed(self, answer: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The transcriber's events as they come, and behind them those of the emotions."""
        cues: list[Cue] = []
        transcript: asyncio.Future[Words] = asyncio.get_running_loop().create_future()

        async def words() -> Words:
            return await transcript

        recognizing = asyncio.ensure_future(self._recognize(replace(self._options, segments=True), words))
        last = b""
        try:
            async for part in _events(self._transcriber.pieces(answer)):
                if _data(part).strip() == b"[DONE]":  # at which clients stop
                    last = part
                    continue
                cues += _cues(part)
                yield part
            transcript.set_result((cues, len(cues)))
            recognition, save = await recognizing
            for kind, data in events(recognition, _location(save)):
                yield event(kind, data).encode()
            if save.problem is not None:
                yield _problem(save.problem)
        except Exception as error:
            problem = from_error(error)
            if transcript.done():  # the words are complete, and only the emotions are missing
                yield _problem(problem)
            else:
                yield event("error", _with_error(problem)).encode()
        finally:
            await _end(recognizing)
        if last:
            yield last

    async def _recognize(
        self, options: TranscriptionOptions, words: Callable[[], Coroutine[Any, Any, Words]]
    ) -> tuple[Recognition, Save]:
        """The recognition, and how it was saved."""
        return await self._service.recognize(
            self._file.token,
            self._file.name,
            options,
            max_seconds=self._service.settings.max_duration,
            progress=self._progress,
            words=words,
        )


def _location(save: Save) -> str | None:
    return None if save.directory is None else f"/v1/outputs/{save.directory.name}"


def _problem(error: Exception) -> bytes:
    """The event of what is missing beside the words."""
    problem = from_error(error)
    return event(PROBLEM, {**problem.to_dict(), "type": PROBLEM, "kind": problem.kind}).encode()


def _file(form: Form, name: str | None) -> Upload:
    if not form.files:
        raise invalid([{"field": "file", "reason": "the form contains no recording"}])
    [file] = form.files
    if not file.size:
        raise Problem(422, "unreadable-audio", "the file is empty", title="Unreadable recording")
    return Upload(file.token, name or file.name, file.size)


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Server-sent events, each with the empty line behind it."""
    held = b""
    async for piece in pieces:
        held += piece
        while (end := _end_of_event(held)) is not None:
            yield held[:end]
            held = held[end:]
        if len(held) > LONGEST:
            raise Problem(502, "transcriber", f"an event of the transcriber is larger than {LONGEST} bytes")
    if held.strip():
        yield held + b"\n\n"


def _end_of_event(held: bytes) -> int | None:
    ends = [at + len(gap) for gap in (b"\n\n", b"\r\n\r\n", b"\r\r") if (at := held.find(gap)) >= 0]
    return min(ends, default=None)


def _data(part: bytes) -> bytes:
    """The data of an event."""
    lines = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def _cues(part: bytes) -> list[Cue]:
    """What an event says with its times: a segment itself, or segments in it."""
    try:
        data = json.loads(_data(part))
    except (ValueError, RecursionError):
        return []
    return [
        cue for _, cue in lines_of(data if isinstance(data, dict) and "segments" in data else {"segments": [data]})
    ]


async def _end(task: "asyncio.Future[Any]") -> None:
    """Wait until a task has ended, which is cancelled if it hasn't; what it raised was told already."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _with_error(problem: Problem) -> dict[str, Any]:
    """Problem details with what OpenAI's clients read."""
    body = problem.to_dict()
    return {
        **body,
        "error": {"message": problem.detail, "type": problem.kind, "param": None, "code": problem.kind},
    }


def _refused(problem: Problem) -> Response:
    answer = problem.response()
    return Response(
        json.dumps(_with_error(problem), ensure_ascii=False),
        answer.status_code,
        problem.headers,
        answer.media_type,
    )
