"""A client of the service.

from emovox.client import Client

with Client("http://localhost:7860") as client:
recognition = client.recognize("call.mp3", segments=True)
job = client.submit("interview.mp4", granularity="frame", export=["srt"])
recognition = client.wait(job)
client.fit_baseline("line3", outputs=[output["id"] for output in client.outputs(name="line3")])
recognition = client.recognize("call.mp3", baseline="line3")
"""

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypedDict
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from emovox.audio.recording import read_bytes
from emovox.errors import OptionsError, ServiceError, ServiceUnreachableError
from emovox.inference.recognition import Recognition

ACCEPTED, BUSY = 202, 503
PATIENCE = 60.0  # seconds that a busy service may ask to be left alone

__all__ = ["Client", "ServiceError"]

Expectation = str | Mapping[str, float] | None
"""Shares of emotions, as `{"neutral": 0.8}` or `"neutral=0.8"`."""


class BaselineGroup(TypedDict):
    """The set that a baseline is a part of."""

    name: str
    column: str
    value: str
    count: int


class BaselineFacts(TypedDict):
    """A baseline of the service; `usable`: whether its model is installed there."""

    name: str
    count: int
    model: str
    revision: str
    usable: bool
    created_at: str
    group: BaselineGroup | None
    checksum: str


class LeftOut(TypedDict):
    """A recording that isn't in a baseline, though it was to be: its name or its outputs, and why."""

    recording: str
    reason: str


class FittedBaseline(BaselineFacts):
    """A baseline that was just made."""

    left_out: list[LeftOut]


class Client:
    """A service at an address. Options are those of `emovox recognize`, as keywords."""

    def __init__(
        self,
        url: str = "http://localhost:7860",
        *,
        key: str | None = None,
        timeout: float = 300,
        attempts: int = 5,
    ) -> None:
        """Begin; nothing is sent yet.

        Args:
            url: of the service.
            key: an API key, where the service demands one.
            timeout: seconds that an answer may take.
            attempts: how often a busy service is asked again, after the time that it says, at most a minute.

        Raises:
            ServiceUnreachableError: `url` is not an address.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with _explained(url):
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._url, self._attempts = url, attempts

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to another process, or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Client can't be pickled or copied: make one in each process that asks")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def recognize(
        self,
        recording: str | Path | bytes,
        *,
        name: str | None = None,
        baseline: str | None = None,
        expect: Expectation = None,
        **options: Any,
    ) -> Recognition:
        """Recognise one recording; a long one becomes a job, for which this waits.

        Exports that could not be made cost nothing but themselves: a warning (`UserWarning`) names them.

        Args:
            recording: a path, or its bytes.
            name: of the recording in the result; by default its file name.
            baseline: that of the service by this name, or `self`.
            expect: shares of emotions that the baseline's recordings are taken to have.
            **options: others, as the service takes them.

        Raises:
            AudioError: the file can't be read.
            ServiceError: the service refuses, or the job fails.
            ServiceUnreachableError: it can't be reached, or what answers is not Emovox.
        """
        answer = self._send(recording, name, {"baseline": baseline, "expect": expect, **options}, {})
        if answer.status_code == ACCEPTED:
            return self.wait(self._json(answer, "id"))
        if (problem := answer.headers.get("x-emovox-problem")) is not None:
            warnings.warn(json.loads(problem)["detail"], stacklevel=2)
        return self._recognition(answer)

    def submit(
        self,
        recording: str | Path | bytes,
        *,
        name: str | None = None,
        baseline: str | None = None,
        expect: Expectation = None,
        **options: Any,
    ) -> str:
        """Make a job of a recording, and give its id. Arguments and errors as of `recognize`."""
        options = {"baseline": baseline, "expect": expect, **options}
        id_: str = self._json(self._send(recording, name, options, {"Prefer": "respond-async"}), "id")
        return id_

    def job(self, id_: str) -> dict[str, Any]:
        """The state of a job. Raises as `recognize`."""
        answer = self._ask("GET", f"/v1/jobs/{id_}")
        self._json(answer, "state")
        view: dict[str, Any] = answer.json()
        return view

    def wait(self, id_: str, *, every: float = 0.5) -> Recognition:
        """Wait for a job, and give its result. Raises as `recognize`."""
        while (view := self.job(id_))["state"] in {"queued", "running"}:
            time.sleep(every)
        problem = view["problem"]
        if view["state"] != "done":
            problem = problem or {
                "status": 409,
                "type": "urn:emovox:cancelled",
                "detail": "it was cancelled",
            }
            raise ServiceError(problem["status"], problem["type"], problem["detail"])
        if problem:
            warnings.warn(problem["detail"], stacklevel=2)
        return self._recognition(self._ask("GET", f"/v1/jobs/{id_}/result"))

    def outputs(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """All stored outputs, latest first, by `emotion`, `name`, `since`, `until`. Raises as `recognize`."""
        return self._pages("/v1/outputs", "outputs", "after", filters)

    def archive(
        self, *, baseline: str | None = None, expect: Expectation = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """All that is in the service's archive, latest first.

        Args:
            baseline: what emotions are to be relative to: a baseline of the service, `corpus`, `speaker`, or
                `recognized`. Filters by emotion mean those.
            expect: shares of emotions that the baseline's recordings are taken to have.
            **filters: `emotion`, `tag`, `name`, `model`, `revision`, `since`, `until`, `side`, `purpose`,
                `consent`, and `filter`, a comparison
                or a list of them.

        Raises:
            ServiceError: as `recognize`.
            ServiceUnreachableError: likewise.
        """
        return self._pages("/v1/archive", "recognitions", "before", _relative(filters, baseline, expect))

    def archive_stats(
        self, *, baseline: str | None = None, expect: Expectation = None, **filters: Any
    ) -> dict[str, Any]:
        """Statistics of the service's archive. Arguments, but for `name`, and errors as of `archive`."""
        answer = self._ask("GET", "/v1/archive/stats", params=_relative(filters, baseline, expect))
        self._json(answer, "by_emotion")
        stats: dict[str, Any] = answer.json()
        return stats

    def baselines(self, *, model: str | None = None) -> list[BaselineFacts]:
        """The service's baselines, `usable` by this model, by default by their own. Raises as `recognize`."""
        answer = self._ask("GET", "/v1/baselines", params={} if model is None else {"model": model})
        items: list[BaselineFacts] = self._list(answer, "checksum")
        return items

    def fit_baseline(
        self,
        name: str,
        recordings: Sequence[str | Path | bytes] = (),
        *,
        outputs: Sequence[str] = (),
        model: str | None = None,
        side: str | None = None,
        purpose: str | None = None,
        consent: str | None = None,
        replace: bool = False,
    ) -> FittedBaseline:
        """Make a baseline in the service: of recordings, which it doesn't store, or of outputs that it has.

        Args:
            name: of the baseline.
            recordings: paths or bytes, a hundred at most, each as short as the service recognises at once.
            outputs: ids of stored outputs, any number.
            model: whose embeddings; by default the service's own, or that of most of the outputs.
            side: whose voices the recordings are; of outputs it is known.
            purpose: what they are taken for; likewise.
            consent: where the consent is kept; likewise.
            replace: fit the one of that name again.

        Returns:
            The baseline, with what could not be used.

        Raises:
            OptionsError: give recordings or outputs, and not both.
            AudioError: a file can't be read.
            ServiceError: the service refuses.
            ServiceUnreachableError: as `recognize`.
        """
        if bool(recordings) == bool(outputs):
            raise OptionsError("a baseline is made of recordings, or of outputs: give one of the two")
        own = {} if outputs else {"side": side, "purpose": purpose, "consent": consent}
        optional = {"model": model, **own}
        fields: dict[str, Any] = {"name": name, "replace": replace}
        fields |= {key: value for key, value in optional.items() if value is not None}
        if outputs:
            answer = self._ask("POST", "/v1/baselines", json={**fields, "outputs": list(outputs)})
        else:
            files = [("file", _file(recording)) for recording in recordings]
            form = {key: _text(value) for key, value in fields.items()}
            answer = self._ask("POST", "/v1/baselines", data=form, files=files)
        self._json(answer, "checksum")
        view: FittedBaseline = answer.json()
        return view

    def delete_baseline(self, name: str) -> None:
        """Delete a baseline of the service. Raises as `recognize`."""
        self._ask("DELETE", f"/v1/baselines/{quote(name, safe='')}")

    def _pages(self, path: str, field: str, mark: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The items of all pages of a list, which are in a field; `mark` is what says where a page begins."""
        following: str | None = None
        while True:
            answer = self._ask("GET", path, params={**params, **({mark: following} if following else {})})
            yield from self._json(answer, field)
            following = self._json(answer, "next")
            if following is None:
                return

    def _send(
        self, recording: str | Path | bytes, name: str | None, options: dict[str, Any], headers: dict[str, str]
    ) -> httpx.Response:
        content = recording if isinstance(recording, bytes) else read_bytes(Path(recording))
        if name is None and not isinstance(recording, bytes):
            name = Path(recording).name
        query = {key: _text(value) for key, value in {"name": name, **options}.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream", **headers}
        return self._ask("POST", "/v1/recognitions", params=query, content=content, headers=headers)

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        for attempt in range(self._attempts):
            with _explained(self._url):
                answer = self._http.request(method, path, **request)
            if answer.status_code != BUSY or attempt == self._attempts - 1:
                break
            time.sleep(_pause(answer.headers.get("retry-after", "1")))
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            refusal = ServiceError(answer.status_code, problem["type"], problem["detail"])
        except (ValueError, KeyError, TypeError):
            refusal = ServiceError(answer.status_code, "about:blank", answer.reason_phrase)
        raise refusal

    def _json(self, answer: httpx.Response, field: str) -> Any:
        try:
            return answer.json()[field]
        except (ValueError, KeyError, TypeError):
            raise self._not_emovox() from None

    def _list(self, answer: httpx.Response, field: str) -> list[Any]:
        """A list of objects that have a field."""
        try:
            items = answer.json()
        except ValueError:
            raise self._not_emovox() from None
        if not isinstance(items, list) or any(field not in item for item in items):
            raise self._not_emovox()
        return items

    def _recognition(self, answer: httpx.Response) -> Recognition:
        try:
            return Recognition.from_json(answer.content)
        except ValidationError:
            raise self._not_emovox() from None

    def _not_emovox(self) -> ServiceUnreachableError:
        return ServiceUnreachableError(f"{self._url} answers, and not as Emovox does: is it another service?")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServiceUnreachableError(f"{url} doesn't answer in time: raise `timeout`, or submit a job") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        reason = str(error) or type(error).__name__
        raise ServiceUnreachableError(f"{url} can't be reached ({reason}): is `emovox serve` running?") from error


def _pause(header: str) -> float:
    """Seconds that a Retry-After header asks for; one second where it names a date."""
    try:
        return min(max(float(header), 0.0), PATIENCE)
    except ValueError:
        return 1.0


def _file(recording: str | Path | bytes) -> tuple[str, bytes]:
    if isinstance(recording, bytes):
        return "recording", recording
    return Path(recording).name, read_bytes(Path(recording))


def _relative(filters: Mapping[str, Any], baseline: str | None, expect: Expectation) -> dict[str, Any]:
    options = {"baseline": baseline, "expect": expect}
    return {**filters, **{key: _text(value) for key, value in options.items() if value is not None}}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{key}={share}" for key, share in value.items())
    return value if isinstance(value, str) else ",".join(value) if isinstance(value, (list, tuple)) else str(value)
