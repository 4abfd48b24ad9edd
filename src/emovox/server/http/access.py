"""Who may use the service: the API key that a request carries, or the session of a browser that showed one."""

from typing import cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser

from emovox.server.http.hosts import host_name, is_loopback
from emovox.server.http.problems import Problem
from emovox.server.keys import Keys
from emovox.server.sessions import Sessions

LOOKING = 8  # threads that ask the database at once: where it is slow, the others' are still there for all else


class Access:
    """Checks keys and sessions, where they are demanded.

    Attributes:
        needed: they are.
    """

    def __init__(self, keys: Keys, sessions: Sessions, *, needed: bool) -> None:
        self._keys, self._sessions, self.needed = keys, sessions, needed
        self._limiter = CapacityLimiter(LOOKING)

    async def known(self, headers: Headers) -> str | None:
        """The id of the key that a request shows, itself or by its session; None if it is none of ours."""
        if not self.needed:
            return None
        if key := _key(headers):
            return await run_sync(self._keys.check, key, limiter=self._limiter)
        if token := session_token(headers):
            return await run_sync(self._sessions.key, token, limiter=self._limiter)
        return None

    async def demand(self, headers: Headers) -> str | None:
        """The id of the key, or None where no keys are demanded.

        Raises:
            Problem: 401, a key is needed.
        """
        key = await self.known(headers)
        if self.needed and key is None:
            raise _needed()
        return key

    async def begin(self, headers: Headers) -> str | None:
        """Begin a session of the key that a request itself shows; gives the token, None where none is needed.

        Raises:
            Problem: 401, there is no such key.
        """
        if not self.needed:
            return None
        id_ = await run_sync(self._keys.check, _key(headers), limiter=self._limiter)
        if id_ is None:
            raise _needed()
        await self.end(headers)
        return await run_sync(self._sessions.begin, id_, limiter=self._limiter)

    async def end(self, headers: Headers) -> None:
        """End the session of a request, if it has one."""
        if token := session_token(headers):
            await run_sync(self._sessions.end, token, limiter=self._limiter)


def cookie_name(headers: Headers) -> str:
    """What the session's cookie is called where a request came to.

    `__Host-` has browsers see to it that the cookie goes over TLS alone, to this name alone, and that nobody else
    has set it. On this machine's own names, which are reached without TLS, there can be none such. Whether a proxy
    speaks TLS isn't asked: a header that says so may be anybody's.
    """
    return "emovox" if is_loopback(host_name(headers.get("host", ""))) else "__Host-emovox"


def session_token(headers: Headers) -> str:
    """The token in the session's cookie; empty: there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")


def access_of(request: HTTPConnection) -> Access:
    """The access of the service that a request came to."""
    return cast("Access", request.app.state.access)


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _needed() -> Problem:
    return Problem(
        401,
        "key-needed",
        "send an API key as Authorization: Bearer KEY; `emovox keys add NAME` makes one",
        headers={"WWW-Authenticate": "Bearer"},
    )
