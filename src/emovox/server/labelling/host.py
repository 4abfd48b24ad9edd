"""Label Studio's own address: where recordings to label come from, and what people labelled.

It is the only address that is asked, whatever a task says; proxies of the environment aren't used, redirections
not followed. Nothing is sent there but the key: predictions are answers to its own requests.

Source: Label Studio's API reference, "Export tasks and annotations", "Personal access tokens".
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Any

import httpx

from emovox.errors import AudioError, TooLargeError
from emovox.server.disk import write_problem
from emovox.server.http import outside
from emovox.server.http.problems import Problem, log
from emovox.server.http.uploads import Upload, Uploads
from emovox.settings import ServiceSettings

CONNECT, READ = 10.0, 60.0  # seconds
LARGEST = 2**27
"""Bytes of an export, at most."""
_ELSEWHERE = "Label Studio redirects elsewhere, and redirections aren't followed"
_WHY = {
    **dict.fromkeys((301, 302, 303, 307, 308), _ELSEWHERE),
    403: "Label Studio doesn't give it to the owner of its key",
    404: "Label Studio doesn't have it any more",
    500: "Label Studio answers 500, as where it doesn't have it any more",
}


class LabelStudio:
    """One Label Studio."""

    def __init__(self, url: str, key: str) -> None:
        """Begin; nothing is asked yet.

        Args:
            url: of its first page, as http://localhost:8080.
            key: a personal access token, or a legacy token; it sees what its owner sees.

        Raises:
            SettingsError: not a URL, or not a key.
        """
        address = outside.address_of("label_studio_url", url, "http://localhost:8080")
        outside.check_key("label_studio_api_key", key)
        self._url = address.copy_with(path=f"{address.path.rstrip('/')}/", query=None, fragment=None)
        self._key = key
        self._http = outside.client(httpx.Timeout(READ, connect=CONNECT))

    @classmethod
    def of(cls, settings: ServiceSettings) -> "LabelStudio | None":
        """That of the settings; None: there is none.

        Raises:
            SettingsError: its URL or key is none.
        """
        if not settings.label_studio_url:
            return None
        key = settings.label_studio_api_key.get_secret_value()
        if not key:
            log.warning("Label Studio gives no recordings without a key: set EMOVOX_LABEL_STUDIO_API_KEY")
        return cls(settings.label_studio_url, key)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def label_config(self, project: int) -> str:
        """The label config of a project.

        Raises:
            Problem: it can't be had.
        """
        content = await self._json(f"api/projects/{project}")
        return str(content.get("label_config", "")) if isinstance(content, dict) else ""

    async def annotated_tasks(self, project: int) -> list[dict[str, Any]]:
        """The tasks of a project that are annotated, as its export JSON has them.

        Raises:
            Problem: they can't be had.
        """
        content = await self._json(f"api/projects/{project}/export?exportType=JSON")
        return [task for task in content if isinstance(task, dict)] if isinstance(content, list) else []

    async def fetch(self, address: str, uploads: Uploads, limit: int) -> Upload:
        """Fetch a task's recording, which the caller deletes.

        Args:
            address: as the task's data has it, `/data/upload/1/a.wav`.
            uploads: where it goes.
            limit: of its size, bytes.

        Raises:
            AudioError: it is elsewhere, isn't there, or is too large.
            Problem: Label Studio can't be reached, or refuses; there is no room for it.
        """
        url = self._own(address)
        token, file = uploads.create()
        size = 0
        try:
            with file:
                async with self._get(url) as answer:
                    if answer.status_code != 200:
                        raise AudioError(
                            _WHY.get(answer.status_code, f"Label Studio answers {answer.status_code}")
                        )
                    async for piece in answer.aiter_bytes():
                        size += len(piece)
                        if size > limit:
                            raise TooLargeError(f"larger than {limit} bytes (EMOVOX_MAX_FILE_SIZE)")
                        uploads.grow(token, len(piece))
                        await asyncio.to_thread(file.write, piece)
            if not size:
                raise AudioError("the file is empty")
        except OSError as error:
            uploads.remove(token)
            raise write_problem("a recording of Label Studio's", error) from error
        except BaseException:
            uploads.remove(token)
            raise
        name = PurePosixPath(url.params.get("d") or url.path).name
        return Upload(token, name or None, size)

    def _own(self, address: str) -> httpx.URL:
        """The address of a task's recording, if it is Label Studio's own."""
        try:
            url = self._url.join(address if len(address) <= 4096 else "")
        except httpx.InvalidURL:
            url = httpx.URL()
        if (url.scheme, url.host, url.port, url.userinfo) != (
            self._url.scheme,
            self._url.host,
            self._url.port,
            b"",
        ):
            raise AudioError(
                "it isn't on Label Studio itself, and nothing else is fetched: upload it there, or serve it as "
                "local files"
            )
        return url

    async def _json(self, address: str) -> Any:
        content = bytearray()
        async with self._get(self._url.join(address)) as answer:
            if answer.status_code in {403, 404}:
                raise _bad("Label Studio has no such project, or the owner of its key doesn't see it")
            if answer.status_code != 200:
                raise _bad(f"Label Studio answered {answer.status_code}: is EMOVOX_LABEL_STUDIO_URL right?")
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise _bad(f"Label Studio's answer is larger than {LARGEST} bytes")
        try:
            return await asyncio.to_thread(json.loads, content)  # of a large project it takes seconds
        except (ValueError, RecursionError):
            raise _bad("Label Studio's answer isn't JSON: is EMOVOX_LABEL_STUDIO_URL right?") from None

    @asynccontextmanager
    async def _get(self, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        """An answer to somebody whom Label Studio knows."""
        try:
            headers = {"Authorization": await self._authorization(), "Accept-Encoding": "identity"}
            async with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code == 401 or "/user/login" in answer.headers.get("location", ""):
                    raise _refused()
                yield answer
        except httpx.TimeoutException:
            raise Problem(504, "label-studio-late", "Label Studio didn't answer in time") from None
        except httpx.ConnectError:
            detail = "Label Studio can't be reached: is it running, and EMOVOX_LABEL_STUDIO_URL right?"
            raise Problem(502, "label-studio-unreachable", detail) from None
        except httpx.HTTPError as error:
            log.warning("Label Studio: %s", str(error) or type(error).__name__)
            raise _bad("the connection to Label Studio broke off: try again") from None

    async def _authorization(self) -> str:
        """The header: a legacy token is sent as it is, a personal one exchanged for one of five minutes."""
        if self._key.count(".") != 2:  # a personal one is a JSON web token
            return f"Token {self._key}"
        answer = await self._http.post(self._url.join("api/token/refresh"), json={"refresh": self._key})
        try:
            return f"Bearer {answer.json()['access']}"
        except (ValueError, KeyError, TypeError):
            raise _refused() from None


def _refused() -> Problem:
    log.error("Label Studio refuses the key (EMOVOX_LABEL_STUDIO_API_KEY)")
    return _bad("Label Studio refuses the key: EMOVOX_LABEL_STUDIO_API_KEY")


def _bad(detail: str) -> Problem:
    return Problem(502, "label-studio", detail)
