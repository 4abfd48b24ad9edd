"""API keys: random, stored as hashes, compared in constant time."""

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

FRESH = 2.0  # seconds from one read of the database to the next
LATE = 10.0  # seconds since the last read after which there may be new keys
STALE = 30.0  # seconds since the last read after which no key is accepted


@dataclass(frozen=True)
class Key:
    """A key as it is stored."""

    id: str
    name: str
    hash: str
    created: str


class Keys:
    """The keys in a database. A key is `emovox_ID_SECRET`; the secret has 256 bits, so a plain hash hides it.

    `check` goes by what was last read, so no request waits for the database. All other methods do.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._refreshed = float("-inf")

    def add(self, name: str) -> str:
        """Make a key; it is returned, and stored nowhere."""
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

    def name(self, id_: str) -> str | None:
        """The name of a key, as it was read last; None: there is no such key."""
        key = self._keys.get(id_)
        return None if key is None else key.name

    def remove(self, id_: str) -> bool:
        """Delete a key; False if there is none with this id."""
        with self._engine.begin() as connection:
            removed = bool(connection.execute(delete(database.keys).where(database.keys.c.id == id_)).rowcount)
        self.refresh()
        return removed

    def refresh(self) -> None:
        """Read the keys for `check`; to be called every few seconds."""
        with self._lock:
            now = time.monotonic()
            self._keys, self._refreshed = {key.id: key for key in self.all()}, now

    def check(self, text: str) -> str | None:
        """The id of a key, or None if there is no such key. Waits for nothing.

        Raises:
            Problem: 503, it can't be checked: the keys could not be read for a while.
        """
        age = time.monotonic() - self._refreshed
        if age > STALE:
            raise database_away()
        prefix, _, rest = text.partition("_")
        id_, _, secret = rest.partition("_")
        key = self._keys.get(id_)
        # Without such a key the hash of nothing is compared, so that the time tells nothing.
        right = hmac.compare_digest(_hash(secret), key.hash if key else _hash(""))
        if key and right and prefix == "emovox":
            return id_
        if age > LATE:  # it may be a new one
            raise database_away()
        return None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
