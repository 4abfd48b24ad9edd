"""The guard: what stands before every route. Headers, hosts, origins, keys, rates; and headers on every answer."""

import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emovox.server.access import Access
from emovox.server.problems import Problem, from_error

HEADERS = 100
HEADER_BYTES = 32_768
OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session"})  # for whoever watches over it, or is to give a key
PAGE = ("/assets/", "/favicon.")  # nothing of anybody's, and needed to ask for the key
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",  # emotions of people are nothing for caches
}


class Rates:
    """A bucket for each key, which fills by so many requests a minute and holds a minute's."""

    def __init__(self, per_minute: int) -> None:
        self._rate, self._most = per_minute / 60, float(per_minute)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take one; gives the seconds to wait, 0 if it was there."""
        if not self._most:
            return 0.0
        now = time.monotonic()
        level, then = self._buckets.get(key, (self._most, now))
        level = min(self._most, level + (now - then) * self._rate)
        allowed = level >= 1
        self._buckets[key] = (level - allowed, now)
        return 0.0 if allowed else (1 - level) / self._rate


class Guard:
    """Lets a request through, or answers it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        origins: Iterable[str],
        access: Access,
        rate_limit: int,
    ) -> None:
        """Stand before an app.

        Args:
            app: to guard.
            hosts: the names it is reached by, lower case, without ports; `*` for any.
            origins: of other web pages that may use it.
            access: checks keys.
            rate_limit: requests a minute of one key.
        """
        self._app = app
        self._hosts, self._origins = frozenset(hosts), frozenset(origins)
        self._access, self._rates = access, Rates(rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                given = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    given.setdefault(name, value)
                if origin := self._allowed_origin(headers):
                    given["access-control-allow-origin"] = origin
                    given["cross-origin-resource-policy"] = "cross-origin"
                    given["access-control-expose-headers"] = "Location, Retry-After"
                    given.add_vary_header("Origin")
            await send(message)

        try:
            self._check(scope, headers)
            if scope["type"] == "http" and self._is_preflight(scope, headers):
                await self._preflight(answer)
                return
            self._authorise(scope, headers)
        except Problem as problem:
            await self._refuse(problem, scope, receive, answer)
            return
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if started:
                raise
            # Starlette's own would raise it again after the answer, and uvicorn then cuts the connection.
            await self._refuse(from_error(error), scope, receive, answer)

    def _check(self, scope: Scope, headers: Headers) -> None:
        raw = scope["headers"]
        if len(raw) > HEADERS or sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES:
            raise Problem(
                431, "headers-too-large", f"a request may have {HEADERS} headers of {HEADER_BYTES} bytes"
            )
        host = _host(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            # A page elsewhere whose name was pointed at this machine (DNS rebinding) comes with its own name.
            raise Problem(
                421, "unknown-host", "this service isn't known by that name: EMOVOX_HOSTS lists its names"
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != headers.get("host"):
            raise Problem(403, "foreign-origin", "web pages elsewhere may not use this service (EMOVOX_ORIGINS)")

    def _authorise(self, scope: Scope, headers: Headers) -> None:
        if scope["path"] in OPEN or scope["path"].startswith(PAGE):
            return
        key = self._access.demand(headers)
        if key is None:
            return
        scope["emovox.key"] = key
        if wait := self._rates.take(key):
            raise Problem(
                429,
                "too-many-requests",
                "this key asks more often than it may (EMOVOX_RATE_LIMIT)",
                headers={"Retry-After": str(int(wait) + 1)},
            )

    def _allowed_origin(self, headers: Headers) -> str | None:
        origin = headers.get("origin")
        return origin if origin in self._origins else None

    def _is_preflight(self, scope: Scope, headers: Headers) -> bool:
        return (
            scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
            and self._allowed_origin(headers) is not None
        )

    async def _preflight(self, send: Send) -> None:
        headers = [
            (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, Prefer, Range, X-API-Key"),
            (b"access-control-max-age", b"600"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem.kind})
            return
        await problem.response()(scope, receive, send)


def _host(header: str) -> str:
    """A Host header's name, without the port."""
    if header.startswith("["):
        return header.partition("]")[0].removeprefix("[").lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()
