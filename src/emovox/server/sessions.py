"""Sessions: a browser's stand-in for a key, at random, kept as a hash, gone with the key and with time."""

import hashlib
import secrets
import time

from sqlalchemy import Engine, delete, insert, select

from emovox.server.database import keys, sessions

LIFE = 30 * 86_400  # seconds
MOST = 100  # of one key; the oldest goes first


class Sessions:
    """The sessions in a database. Its methods wait for it, so they are for threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, key: str) -> str:
        """Begin a session of a key, by its id; gives the token, which is kept nowhere."""
        token, now = secrets.token_urlsafe(32), time.time()
        of_key = select(sessions.c.hash).where(sessions.c.key == key).order_by(sessions.c.created.desc())
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.created <= now - LIFE))
            old = connection.scalars(of_key.offset(MOST - 1)).all()
            connection.execute(delete(sessions).where(sessions.c.hash.in_(old)))
            connection.execute(insert(sessions).values(hash=_hash(token), key=key, created=now))
        return token

    def key(self, token: str) -> str | None:
        """The id of the key that a session was begun with; None if it has ended, or the key has gone."""
        query = (
            select(keys.c.id)
            .join(sessions, sessions.c.key == keys.c.id)
            .where(sessions.c.hash == _hash(token), sessions.c.created > time.time() - LIFE)
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def end(self, token: str) -> None:
        """End a session."""
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.hash == _hash(token)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()
