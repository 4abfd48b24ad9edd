"""API keys: made at random, kept as hashes, compared in constant time."""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from emovox.server import database
from emovox.server.http.problems import database_away

FRESH = 2.0  # seconds from one reading of the database to the next
LATE = 10.0  # seconds after which there may be keys that aren't known
STALE = 30.0  # seconds for which what was read is believed while the database is away: then no key counts


@dataclass(frozen=True)
class Key:
    """A key as it is kept."""

    id: str
    name: str
    hash: str
    created: str


class Keys:
    """The keys in a database. A key is `emovox_ID_SECRET`; the secret has 256 bits, so a plain hash hides it.

    Requests are checked against what was last read: none waits for the database. All other methods do.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._known: dict[str, Key] = {}
        self._refreshed = float("-inf")

    def add(self, name: str) -> str:
        """Make a key; what is returned is kept nowhere."""
        id_, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        row = {"id": id_, "name": name, "hash": _hash(secret), "created": time.time()}
        with self._engine.begin() as connection:
            connection.execute(insert(database.keys).values(row))
        self.refresh()
        return f"emovox_{id_}_{secret}"

    def all(self) -> list[Key]:
        """Every key, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(database.keys).order_by(database.keys.c.created)).all()
        return [
            Key(
                row.id,
                row.name,
                row.hash,
                datetime.fromtimestamp(row.created).astimezone().isoformat(" ", "seconds"),
            )
            for row in rows
        ]

    def remove(self, id_: str) -> bool:
        """Delete a key; False where there is none of that id."""
        with self._engine.begin() as connection:
            removed = bool(connection.execute(delete(database.keys).where(database.keys.c.id == id_)).rowcount)
        self.refresh()
        return removed

    def refresh(self) -> None:
        """Read what keys there are; for `check`, to be done every few seconds."""
        with self._lock:
            now = time.monotonic()
            self._known, self._refreshed = {key.id: key for key in self.all()}, now

    def check(self, given: str) -> str | None:
        """The id of a key that was given, or None if it is none of ours. Waits for nothing.

        Raises:
            Problem: 503, it can't be known: the keys could not be read for a while.
        """
        age = time.monotonic() - self._refreshed
        if age > STALE:
            raise database_away()
        prefix, _, rest = given.partition("_")
        id_, _, secret = rest.partition("_")
        key = self._known.get(id_)
        # The hash of nothing is compared where there is no such key, which takes the same time.
        right = hmac.compare_digest(_hash(secret), key.hash if key else _hash(""))
        if key and right and prefix == "emovox":
            return id_
        if age > LATE:  # it may be a new one
            raise database_away()
        return None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
