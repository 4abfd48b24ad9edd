"""Transcribers with OpenAI's interface on real sockets: one that gives what Whisper base said, and a real one."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.web_server import running
from training import whisper

ANSWERS = Path(__file__).parents[1] / "data" / "transcriptions"
"""What faster-whisper with Whisper base answered to the sad example, by response_format; `events`: streamed."""
TYPES = {"json": "application/json", "verbose_json": "application/json", "events": "text/event-stream"}

Answer = tuple[int, dict[str, str], list[bytes]]
"""Status, headers, and the pieces of a body."""


@dataclass
class Asked:
    """A request as it came.

    Attributes:
        path: with the query.
        headers: by name, lower case.
        fields: of the form, each with its values.
        name: of the file.
        content: of the file.
    """

    path: str
    headers: dict[str, str]
    fields: dict[str, list[str]]
    name: str
    content: bytes


Answering = Callable[[Asked], Answer]


@dataclass
class FakeTranscriber:
    """A server that answers as it is told.

    Attributes:
        answering: gives the answer to a request.
        asked: the requests so far.
        url: of its interface.
    """

    answering: Answering
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


def recorded(asked: Asked) -> Answer:
    """What Whisper base said."""
    form = "events" if asked.fields.get("stream") == ["true"] else asked.fields.get("response_format", ["json"])[0]
    form = form if form in {"events", "verbose_json", "srt", "vtt", "text"} else "json"
    content = (ANSWERS / f"answer.{form}").read_bytes()
    return 200, {"Content-Type": TYPES.get(form, "text/plain; charset=utf-8")}, [content]


def saying(status: int, body: object = "", **headers: str) -> Answering:
    """Always this."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/plain" if isinstance(body, str) else "application/json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: (status, {"Content-Type": kind, **named}, [content])


@contextmanager
def transcribing(answering: Answering = recorded) -> Iterator[FakeTranscriber]:
    """A transcriber on a port of this machine."""
    fake = FakeTranscriber(answering)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked = _asked(self.path, {key.lower(): value for key, value in self.headers.items()}, content)
            fake.asked.append(asked)
            status, headers, pieces = fake.answering(asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.close_connection = True
            with suppress(OSError):  # the service has gone
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()

    with running(Handler) as address:
        fake.url = f"{address}/v1"
        yield fake


def waiting(event: threading.Event) -> Answering:
    """Nothing until an event, or ten seconds have passed."""

    def answer(asked: Asked) -> Answer:
        event.wait(10)
        return recorded(asked)

    return answer


def _asked(path: str, headers: dict[str, str], content: bytes) -> Asked:
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + content)
    asked = Asked(path, headers, {}, "", b"")
    for part in message.iter_parts():
        payload: Any = part.get_payload(decode=True)
        if (name := part.get_filename()) is not None:
            asked.name, asked.content = name, payload
        else:
            key = str(part.get_param("name", header="content-disposition"))
            asked.fields.setdefault(key, []).append(payload.decode())
    return asked


def needs_whisper(test: Any) -> Any:
    """Mark a test that needs what tests/requirements-transcriber.txt says."""
    names = ("faster_whisper", *(package for package, _ in whisper.PARTS))
    missing = any(find_spec(name) is None for name in names) and not os.environ.get("CI")
    for mark in (pytest.mark.slow, pytest.mark.skipif(missing, reason="needs tests/requirements-transcriber.txt")):
        test = mark(test)
    return test


def whisper_base(directory: Path) -> Answering:
    """Whisper base, which answers as OpenAI does: verbose JSON, SRT, and a stream of words."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  that test's own dependency

    places = [Path(str(find_spec(package).origin)).parent / file for package, file in whisper.PARTS]  # type: ignore[union-attr]
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(places[0].parent / name, directory)
    (directory / "model.bin").write_bytes(b"".join(place.read_bytes() for place in places))
    model = WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=2)

    def answer(asked: Asked) -> Answer:
        found, info = model.transcribe(BytesIO(asked.content), word_timestamps=True)
        segments = [*found]
        words = [word for segment in segments for word in segment.words]
        text = "".join(segment.text for segment in segments).strip()
        if asked.fields.get("stream") == ["true"]:
            events = [{"type": "transcript.text.delta", "delta": word.word} for word in words]
            events.append({"type": "transcript.text.done", "text": text})
            pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
            return 200, {"Content-Type": "text/event-stream"}, [*pieces, b"data: [DONE]\n\n"]
        body = {
            "task": "transcribe", "language": info.language, "duration": info.duration, "text": text,
            "segments": [
                {"id": item.id, "start": float(item.start), "end": float(item.end), "text": item.text}
                for item in segments
            ],
            "words": [
                {"word": word.word, "start": float(word.start), "end": float(word.end)} for word in words
            ],
        }  # fmt: skip
        return 200, {"Content-Type": "application/json"}, [json.dumps(body).encode()]

    return answer
