"""Access: who may use the service, by the API key in a request or by the session of a browser that gave one.

A session stands in for a key: a random token, stored as a hash, that ends with its key or after a while.
"""

import base64
import hashlib
import secrets
import time
from contextlib import suppress
from typing import cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy import Engine, delete, insert, select
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser

from emovox.server.database import keys as key_table
from emovox.server.database import sessions
from emovox.server.http.hosts import host_name, is_loopback
from emovox.server.http.problems import Problem
from emovox.server.keys import Keys

THREADS = 8  # for queries: when the database is slow, everything else keeps its own threads
LIFE = 30 * 86_400  # seconds of a session
MAX_SESSIONS = 100  # of one key; the oldest goes first


class Access:
    """Checks keys and sessions, if the service requires keys.

    Attributes:
        needed: whether it does.
    """

    def __init__(self, keys: Keys, database: Engine, *, needed: bool) -> None:
        self._keys, self._database, self.needed = keys, database, needed
        self._limiter = CapacityLimiter(THREADS)

    async def key(self, headers: Headers) -> str | None:
        """The id of the key in a request or of its session; None if there is no such key, or none is needed."""
        if not self.needed:
            return None
        if key := _key(headers):
            return await run_sync(self._keys.check, key, limiter=self._limiter)
        if token := _token(headers):
            return await run_sync(self._key_of, token, limiter=self._limiter)
        if key := _password(headers):
            return await run_sync(self._keys.check, key, limiter=self._limiter)
        return None

    async def demand(self, headers: Headers) -> str | None:
        """The id of the key, or None if none is needed.

        Raises:
            Problem: 401, a key is needed.
        """
        key = await self.key(headers)
        if self.needed and key is None:
            raise _key_needed()
        return key

    async def begin(self, headers: Headers) -> str | None:
        """Begin a session with the key in a request.

        Returns:
            The session's token, which is stored nowhere; None if no key is needed.

        Raises:
            Problem: 401, there is no such key.
        """
        if not self.needed:
            return None
        key = await run_sync(self._keys.check, _key(headers), limiter=self._limiter)
        if key is None:
            raise _key_needed()
        await self.end(headers)
        return await run_sync(self._begin, key, limiter=self._limiter)

    async def end(self, headers: Headers) -> None:
        """End a request's session, if it has one."""
        if token := _token(headers):
            await run_sync(self._end, token, limiter=self._limiter)

    def _begin(self, key: str) -> str:
        token, now = secrets.token_urlsafe(32), time.time()
        of_key = select(sessions.c.hash).where(sessions.c.key == key).order_by(sessions.c.created.desc())
        with self._database.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.created <= now - LIFE))
            oldest = connection.scalars(of_key.offset(MAX_SESSIONS - 1)).all()
            connection.execute(delete(sessions).where(sessions.c.hash.in_(oldest)))
            connection.execute(insert(sessions).values(hash=_hash(token), key=key, created=now))
        return token

    def _key_of(self, token: str) -> str | None:
        """The id of a session's key; None if the session has ended or the key is gone."""
        query = (
            select(key_table.c.id)
            .join(sessions, sessions.c.key == key_table.c.id)
            .where(sessions.c.hash == _hash(token), sessions.c.created > time.time() - LIFE)
        )
        with self._database.connect() as connection:
            return connection.execute(query).scalar()

    def _end(self, token: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.hash == _hash(token)))


def cookie_name(headers: Headers) -> str:
    """The name of the session's cookie at the host that a request was sent to.

    With `__Host-`, browsers send the cookie over TLS only, to this host only, and let nobody else set it. This
    machine's own names are reached without TLS, so they can't use it. Whether a proxy speaks TLS doesn't matter:
    anybody could send a header that says so.
    """
    return "emovox" if is_loopback(host_name(headers.get("host", ""))) else "__Host-emovox"


def access_of(request: HTTPConnection) -> Access:
    """The access checks of the service that received a request."""
    return cast("Access", request.app.state.access)


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _password(headers: Headers) -> str:
    """The password of a Basic login, by which programs such as Label Studio send a key; empty: there is none.

    It comes last: where a proxy demands a login of its own, it may be that one.
    """
    scheme, _, login = headers.get("authorization", "").partition(" ")
    with suppress(ValueError):
        return (
            base64.b64decode(login, validate=True).decode().partition(":")[2] if scheme.lower() == "basic" else ""
        )
    return ""


def _token(headers: Headers) -> str:
    """The token in the session's cookie; empty if there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()


def _key_needed() -> Problem:
    return Problem(
        401,
        "key-needed",
        "send an API key as Authorization: Bearer KEY; `emovox keys add NAME` makes one",
        headers={"WWW-Authenticate": "Bearer"},
    )
