"""A client of the service.

from emovox.client import Client

with Client("http://localhost:7860") as client:
recognition = client.recognize("call.mp3", segments=True)
job = client.submit("interview.mp4", granularity="frame", export=["srt"])
recognition = client.wait(job)
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from emovox.errors import EmovoxError
from emovox.recognition.recognition import Recognition

BUSY = 503


class ServiceError(EmovoxError):
    """The service refuses.

    Attributes:
        status: of HTTP.
        kind: which problem it is, as `urn:emovox:no-audio`.
    """

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


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
        """Begin; `attempts` is how often a busy service is asked again, after the time that it says."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._attempts = attempts

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def recognize(self, recording: str | Path | bytes, *, name: str | None = None, **options: Any) -> Recognition:
        """Recognise one recording; a long one becomes a job, for which this waits.

        Raises:
            ServiceError: the service refuses, or the job fails.
            httpx.HTTPError: it can't be reached.
        """
        answer = self._send(recording, name, options, {})
        return (
            self.wait(answer.json()["id"]) if answer.status_code == 202 else Recognition.from_json(answer.content)
        )

    def submit(self, recording: str | Path | bytes, *, name: str | None = None, **options: Any) -> str:
        """Make a job of a recording, and give its id. Raises as `recognize`."""
        id_: str = self._send(recording, name, options, {"Prefer": "respond-async"}).json()["id"]
        return id_

    def job(self, id_: str) -> dict[str, Any]:
        """The state of a job. Raises as `recognize`."""
        view: dict[str, Any] = self._ask("GET", f"/v1/jobs/{id_}").json()
        return view

    def wait(self, id_: str, *, every: float = 0.5) -> Recognition:
        """Wait for a job, and give its result. Raises as `recognize`."""
        while (view := self.job(id_))["state"] in {"queued", "running"}:
            time.sleep(every)
        if view["state"] != "done":
            problem = view["problem"] or {
                "status": 409,
                "type": "urn:emovox:cancelled",
                "detail": "it was cancelled",
            }
            raise ServiceError(problem["status"], problem["type"], problem["detail"])
        return Recognition.from_json(self._ask("GET", f"/v1/jobs/{id_}/result").content)

    def outputs(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """All stored outputs, latest first; filters are `emotion`, `name`, `since`, `until`."""
        after: dict[str, str] = {}
        while True:
            page = self._ask("GET", "/v1/outputs", params={**filters, **after}).json()
            yield from page["outputs"]
            if page["next"] is None:
                return
            after = {"after": page["next"]}

    def _send(
        self, recording: str | Path | bytes, name: str | None, options: dict[str, Any], headers: dict[str, str]
    ) -> httpx.Response:
        content = recording if isinstance(recording, bytes) else Path(recording).read_bytes()
        if name is None and not isinstance(recording, bytes):
            name = Path(recording).name
        query = {key: _text(value) for key, value in {"name": name, **options}.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream", **headers}
        return self._ask("POST", "/v1/recognitions", params=query, content=content, headers=headers)

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        for attempt in range(self._attempts):
            answer = self._http.request(method, path, **request)
            if answer.status_code != BUSY or attempt == self._attempts - 1:
                break
            time.sleep(float(answer.headers.get("retry-after", "1")))
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            raise ServiceError(answer.status_code, problem["type"], problem["detail"])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ServiceError(answer.status_code, "about:blank", answer.reason_phrase) from None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ",".join(value) if isinstance(value, (list, tuple)) else str(value)
