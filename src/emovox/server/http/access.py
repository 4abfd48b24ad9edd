"""Who may use the service: the API key that a request carries, or the session of a browser that showed one.

A session is a browser's stand-in for a key: at random, kept as a hash, gone with the key and with time.
"""

import hashlib
import secrets
import time
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

THREADS = 8  # that ask the database at once: where it is slow, the others' are still there for all else
LIFE = 30 * 86_400  # seconds of a session
SESSIONS = 100  # of one key; the oldest goes first


class Access:
    """Checks keys and sessions, where they are demanded.

    Attributes:
        needed: they are.
    """

    def __init__(self, keys: Keys, database: Engine, *, needed: bool) -> None:
        self._keys, self._database, self.needed = keys, database, needed
        self._limiter = CapacityLimiter(THREADS)

    async def key(self, headers: Headers) -> str | None:
        """The id of the key that a request shows, itself or by its session; None if it is none of ours."""
        if not self.needed:
            return None
        if key := _key(headers):
            return await run_sync(self._keys.check, key, limiter=self._limiter)
        if token := _token(headers):
            return await run_sync(self._key_of, token, limiter=self._limiter)
        return None

    async def demand(self, headers: Headers) -> str | None:
        """The id of the key, or None where no keys are demanded.

        Raises:
            Problem: 401, a key is needed.
        """
        key = await self.key(headers)
        if self.needed and key is None:
            raise _needed()
        return key

    async def begin(self, headers: Headers) -> str | None:
        """Begin a session of the key that a request itself shows.

        Returns:
            The session's token, which is kept nowhere; None where no keys are demanded.

        Raises:
            Problem: 401, there is no such key.
        """
        if not self.needed:
            return None
        key = await run_sync(self._keys.check, _key(headers), limiter=self._limiter)
        if key is None:
            raise _needed()
        await self.end(headers)
        return await run_sync(self._begin, key, limiter=self._limiter)

    async def end(self, headers: Headers) -> None:
        """End the session of a request, if it has one."""
        if token := _token(headers):
            await run_sync(self._end, token, limiter=self._limiter)

    def _begin(self, key: str) -> str:
        token, now = secrets.token_urlsafe(32), time.time()
        of_key = select(sessions.c.hash).where(sessions.c.key == key).order_by(sessions.c.created.desc())
        with self._database.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.created <= now - LIFE))
            oldest = connection.scalars(of_key.offset(SESSIONS - 1)).all()
            connection.execute(delete(sessions).where(sessions.c.hash.in_(oldest)))
            connection.execute(insert(sessions).values(hash=_hash(token), key=key, created=now))
        return token

    def _key_of(self, token: str) -> str | None:
        """The id of the key that a session was begun with; None if it has ended, or the key has gone."""
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
    """What the session's cookie is called where a request came to.

    `__Host-` has browsers see to it that the cookie goes over TLS alone, to this name alone, and that nobody else
    has set it. On this machine's own names, which are reached without TLS, there can be none such. Whether a proxy
    speaks TLS isn't asked: a header that says so may be anybody's.
    """
    return "emovox" if is_loopback(host_name(headers.get("host", ""))) else "__Host-emovox"


def access_of(request: HTTPConnection) -> Access:
    """The access of the service that a request came to."""
    return cast("Access", request.app.state.access)


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _token(headers: Headers) -> str:
    """The token in the session's cookie; empty: there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()


def _needed() -> Problem:
    return Problem(
        401,
        "key-needed",
        "send an API key as Authorization: Bearer KEY; `emovox keys add NAME` makes one",
        headers={"WWW-Authenticate": "Bearer"},
    )
