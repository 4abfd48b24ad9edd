"""Problem details (RFC 9457): the form of every error. None contains a path of this machine or a traceback."""

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from emovox.archive.database import is_away
from emovox.errors import (
    ArchiveError,
    AudioError,
    BaselineError,
    DecoderError,
    EmovoxError,
    ExportError,
    FilterError,
    FramesError,
    HeadError,
    HubError,
    HubUnreachableError,
    LabelsError,
    ModelError,
    NoAudioError,
    NotInstalledError,
    OptionsError,
    OutputsError,
    PolicyError,
    PrecisionError,
    TooLargeError,
    TooShortError,
    UnknownEmotionError,
    UnknownModelError,
    UseLogError,
)
from emovox.refusals import behind, is_exhausted, is_full

PROBLEM = "X-Emovox-Problem"
"""The header with problem details beside what was answered all the same."""
_LONGEST = 1000  # characters of them there: proxies take headers of a few thousand

SELDOM = 60.0  # seconds between log lines that say the same
MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("emovox.server")


class ProblemDetails(BaseModel):
    """An error."""

    type: str = Field(description="kind of problem, for programs", examples=["urn:emovox:no-audio"])
    title: str = Field(description="kind of problem, for people", examples=["No sound"])
    status: int = Field(description="HTTP status", ge=400, le=599, examples=[422])
    detail: str = Field(description="what went wrong, and what to do", examples=["there is no sound in it"])
    errors: list[dict[str, str]] | None = Field(
        None, description="for options: each wrong field, and why", examples=[None]
    )


class Problem(Exception):  # noqa: N818  RFC 9457's word
    """An error that is answered as problem details."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.title = title or kind.replace("-", " ").capitalize()
        self.headers, self.errors = dict(headers or {}), errors

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        body: dict[str, Any] = {
            "type": f"urn:emovox:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return body if self.errors is None else {**body, "errors": self.errors}

    def beside(self) -> dict[str, str]:
        """The header that tells it beside an answer."""
        return {PROBLEM: json.dumps({**self.to_dict(), "detail": self.detail[:_LONGEST]})}

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.to_dict(), self.status, self.headers, MEDIA_TYPE)


def busy(seconds: float) -> Problem:
    """The queue is full; try again after so many seconds."""
    wait = max(1, round(seconds))
    return Problem(503, "busy", f"the queue is full: try again in {wait} s", headers={"Retry-After": str(wait)})


def database_away() -> Problem:
    """The database is unavailable; try again soon."""
    return Problem(503, "database", "the database is unavailable", headers={"Retry-After": "5"})


def invalid(errors: list[dict[str, str]]) -> Problem:
    """Options or fields are wrong."""
    detail = "; ".join(": ".join(filter(None, (error["field"], error["reason"]))) for error in errors)
    return Problem(422, "invalid-options", detail, errors=errors)


_REASONS = {"unexpected_keyword_argument": "there is no such option"}


def from_validation(error: ValidationError | RequestValidationError) -> Problem:
    """Pydantic's findings, without the values given."""
    errors = [
        {
            "field": ".".join(
                str(part) for part in item["loc"] if part not in {"query", "path", "body", "header"}
            ),
            "reason": _REASONS.get(item["type"], item["msg"].removeprefix("Value error, ")),
        }
        for item in error.errors()
    ]
    return invalid(errors)


_KINDS: dict[type[EmovoxError], tuple[int, str, str]] = {
    NoAudioError: (422, "no-audio", "No sound"),
    TooShortError: (422, "too-short", "Too short"),
    TooLargeError: (413, "too-large", "Too large"),
    AudioError: (422, "unreadable-audio", "Unreadable recording"),
    NotInstalledError: (409, "model-not-installed", "Model not installed"),
    UnknownModelError: (422, "unknown-model", "Unknown model"),
    PrecisionError: (422, "impossible-precision", "Precision not available"),
    HubUnreachableError: (502, "hub-unreachable", "Model hub unreachable"),
    HubError: (502, "hub-error", "Model hub refused"),
    HeadError: (422, "head", "Head can't be used"),
    LabelsError: (422, "labels", "Labels can't be used"),
    BaselineError: (422, "baseline", "Baseline can't be used"),
    OptionsError: (422, "invalid-options", "Invalid options"),
    PolicyError: (422, "policy", "Not allowed by the policy"),
    UnknownEmotionError: (422, "unknown-emotion", "Unknown emotion"),
    FilterError: (422, "filter", "Filter can't be used"),
    ArchiveError: (409, "archive", "Not possible in the archive"),
    ExportError: (422, "export", "Export not possible"),
}

_OWN_FAULT: dict[type[EmovoxError], tuple[int, str, str]] = {  # their messages name files on this machine
    UseLogError: (503, "use-log", "the log of use can't be written, so nothing is given: see the service's log"),
    ModelError: (503, "model-failed", "the model can't be loaded or run: see the service's log"),
    DecoderError: (503, "no-decoder", "recordings can't be decoded right now: see the service's log"),
    FramesError: (500, "damaged-output", "their frames.npz is gone or damaged: recognise the recording again"),
    OutputsError: (500, "storage", "the outputs can't be read or written: see the service's log"),
}

_LATER = {"Retry-After": "5"}


def from_refusal(error: OSError) -> Problem:
    """The system refused something, which is never the client's fault."""
    if is_exhausted(error):
        return Problem(
            503, "busy", "too many files or connections are open: try again in a moment", headers=_LATER
        )
    if is_full(error):
        return Problem(507, "storage", "the disk is full")
    return Problem(500, "storage", "the disk can't be read or written: see the service's log")


def damaged(detail: str, error: Exception) -> Problem:
    """Outputs can't be read, unless the reason is transient."""
    if isinstance(error, OSError) and is_exhausted(error):
        return from_refusal(error)
    return Problem(500, "damaged-output", detail)


def from_error(error: Exception) -> Problem:
    """The answer to an exception."""
    if isinstance(error, Problem):
        return error
    if (shortage := _from_shortage(error)) is not None:
        return shortage
    for kind in type(error).__mro__:
        if kind in _KINDS:
            status, name, title = _KINDS[kind]
            detail = error.reason if isinstance(error, AudioError) else str(error)
            return Problem(status, name, detail, title=title)
        if kind in _OWN_FAULT:
            log.error("%s", error)
            status, name, detail = _OWN_FAULT[kind]
            return Problem(status, name, detail, headers=_LATER if status == 503 else None)
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return Problem(500, "internal", "unexpected error: see the service's log")


def _from_shortage(error: Exception) -> Problem | None:
    """A temporary lack of handles, disk space, the database, or memory; None if the error is of another kind."""
    refusal = behind(error)
    if refusal is not None and (is_exhausted(refusal) or is_full(refusal)):
        _log_seldom(str(error))
        return from_refusal(refusal)
    if is_away(error):
        _log_seldom(f"the database is unavailable: {' '.join(str(getattr(error, 'orig', error)).split())[:300]}")
        return database_away()
    if isinstance(error, MemoryError):
        _log_seldom("out of memory")
        return Problem(503, "no-memory", "the service is out of memory: try again in a moment", headers=_LATER)
    return None


_logged: dict[str, float] = {}


def _log_seldom(text: str) -> None:
    """Log what happens to everyone at once, but not for each of them."""
    now = time.monotonic()
    if now - _logged.get(text, float("-inf")) > SELDOM:
        if len(_logged) > 100:
            _logged.clear()
        _logged[text] = now
        log.error("%s", text)


def from_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem that an HTTP status stands for."""
    details = {
        404: "no such address: see /docs",
        405: "this address doesn't support the method: see /docs",
    }
    phrase = HTTPStatus(status).phrase
    kind = phrase.lower().replace(" ", "-").replace("'", "")
    return Problem(status, kind, details.get(status, phrase), title=phrase, headers=headers)


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every error of an app, which has these routes, as problem details."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException):
            headers = dict(error.headers or {})
            if "Allow" in headers:  # of the first route at this address; there may be more
                here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
                headers["Allow"] = ", ".join(sorted(methods_of(here)))
            return from_status(error.status_code, headers).response()
        if isinstance(error, RequestValidationError):
            return from_validation(error).response()
        return from_error(error).response()

    for kind in (HTTPException, RequestValidationError, EmovoxError, Problem):  # the guard answers the rest
        app.add_exception_handler(kind, answer)


def methods_of(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """The methods that routes accept; WebSocket routes have none."""
    return frozenset(method for route in routes for method in getattr(route, "methods", None) or ())


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors that a route may answer with, for the OpenAPI document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in (*statuses, 400, 401, 403, 421, 429, 431, 500, 503)
    }
