"""The guard: checks headers, host, origin, key and rate of every request, and adds headers to every answer."""

import time
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emovox.server.http.access import Access
from emovox.server.http.hosts import host_name
from emovox.server.http.problems import MEDIA_TYPE, PROBLEM, Problem, from_error, from_status

HEADERS = 100
HEADER_BYTES = 32_768
OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session"})  # for monitoring, and to enter a key
PAGE = ("/assets/", "/favicon.")  # public, and needed to ask for the key
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
PIECE = 65_536  # bytes of an answer sent at once: no more of it waits for a slow reader
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",  # people's emotions don't belong in caches
}


class Rates:
    """A token bucket for each key: it fills by so many requests a minute, and holds those of one minute."""

    def __init__(self, per_minute: int) -> None:
        self._rate, self._most = per_minute / 60, float(per_minute)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take a token; returns the seconds to wait, 0 if there was one."""
        if not self._most:
            return 0.0
        now = time.monotonic()
        level, then = self._buckets.get(key, (self._most, now))
        level = min(self._most, level + (now - then) * self._rate)
        allowed = level >= 1
        self._buckets[key] = (level - allowed, now)
        return 0.0 if allowed else (1 - level) / self._rate


class Guard:
    """Lets a request through, or refuses it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        origins: Iterable[str],
        methods: Collection[str],
        access: Access,
        rate_limit: int,
    ) -> None:
        """Stand before an app.

        Args:
            app: to guard.
            hosts: its names, lower case, without ports; `*` for any.
            origins: of other web pages that may use it.
            methods: that its routes accept.
            access: checks keys.
            rate_limit: requests a minute with one key.
        """
        self._app, self._methods = app, ", ".join(sorted(methods))
        self._hosts, self._origins = frozenset(hosts), frozenset(origins)
        self._access, self._rates = access, Rates(rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = _Answer(send, {**SECURITY, **self._cors(headers)})
        try:
            self._check(scope, headers)
            if scope["type"] == "http" and self._is_preflight(scope, headers):
                await self._preflight(answer)
                return
            await self._authorise(scope, headers)
            await self._app(scope, receive, answer)
        except Exception as error:
            if answer.begun:
                raise
            # Starlette would raise it again after the answer, and uvicorn would then drop the connection.
            await self._refuse(from_error(error), scope, receive, answer)

    def _check(self, scope: Scope, headers: Headers) -> None:
        raw = scope["headers"]
        if len(raw) > HEADERS or sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES:
            raise Problem(
                431,
                "headers-too-large",
                f"a request may have at most {HEADERS} headers, {HEADER_BYTES} bytes in all",
            )
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy that goes by the length sees the request end elsewhere than this service does, which may then
            # find another request behind it that the proxy never checked (request smuggling).
            detail = "send either Transfer-Encoding or Content-Length, not both"
            raise Problem(400, "two-lengths", detail, headers={"Connection": "close"})
        host = host_name(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            # Another site whose name was pointed at this machine (DNS rebinding) comes with its own name.
            raise Problem(
                421, "unknown-host", "the service doesn't know this host name: add it to EMOVOX_ALLOWED_HOSTS"
            )
        if self._is_foreign(scope, headers):
            raise Problem(
                403,
                "foreign-origin",
                "pages from other origins can't use this service: allow them in EMOVOX_CORS_ORIGINS",
            )

    def _is_foreign(self, scope: Scope, headers: Headers) -> bool:
        """Whether the request comes from another site's page that isn't allowed to send it."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin in self._origins:
            return False
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return True
        # Links may lead here from anywhere. All else that browsers mark as coming from elsewhere is refused, even
        # without an origin; `same-site` is another port of this machine, or another name in this domain.
        unsafe = scope["type"] == "websocket" or scope["method"] not in SAFE
        return unsafe and site not in {"none", "same-origin"}

    async def _authorise(self, scope: Scope, headers: Headers) -> None:
        if scope["path"] in OPEN or scope["path"].startswith(PAGE):
            return
        key = await self._access.demand(headers)
        scope.setdefault("state", {})["key"] = key
        if key is None:
            return
        if wait := self._rates.take(key):
            raise Problem(
                429,
                "too-many-requests",
                "too many requests with this key (EMOVOX_RATE_LIMIT)",
                headers={"Retry-After": str(int(wait) + 1)},
            )

    def _cors(self, headers: Headers) -> dict[str, str]:
        """The headers that let an allowed page read an answer."""
        origin = headers.get("origin")
        if origin is None or origin not in self._origins:
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": f"Location, Retry-After, {PROBLEM}",
            "cross-origin-resource-policy": "cross-origin",
        }

    def _is_preflight(self, scope: Scope, headers: Headers) -> bool:
        return (
            scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
            and headers.get("origin") in self._origins
        )

    async def _preflight(self, send: Send) -> None:
        headers = [
            (b"access-control-allow-methods", self._methods.encode()),
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


class _Answer:
    """An answer with the headers that all have, sent in pieces, and not before the first of its body is there.

    A failure until then, such as a file that can't be opened, can still be answered as an error.

    Attributes:
        begun: whether some of it has been sent.
    """

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send, self._headers = send, headers
        self._start: Message | None = None
        self._problem: bytes | None = None
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """ASGI's `send`."""
        if message["type"].endswith("http.response.start"):
            self._start = message
            self._complete(message["status"], MutableHeaders(scope=message))
        elif message["type"].endswith("http.response.body"):
            await self._write(message)
        else:
            self.begun = True
            await self._send(message)

    def _complete(self, status: int, headers: MutableHeaders) -> None:
        if status >= HTTPStatus.BAD_REQUEST and headers.get("content-type", "").startswith("text/plain"):
            body = bytes(from_status(status).response().body)  # instead of Starlette's text about a wrong Range
            headers["content-type"], headers["content-length"] = MEDIA_TYPE, str(len(body))
            self._problem = body
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if "access-control-allow-origin" in self._headers:
            headers.add_vary_header("Origin")

    async def _write(self, message: Message) -> None:
        body: bytes | memoryview = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._problem is not None:
            if self._start is None:
                return
            body, more = self._problem, False
        if self._start is not None:
            start, self._start, self.begun = self._start, None, True
            await self._send(start)
        for first in range(0, max(1, len(body)), PIECE):
            rest = more or first + PIECE < len(body)
            await self._send({**message, "body": body[first : first + PIECE], "more_body": rest})
