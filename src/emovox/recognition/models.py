"""The models in memory: loaded when they are wanted, unloaded when nobody has wanted them for a while."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from emovox.models.catalog import AUTO, LARGE, installed
from emovox.recognition.recognizer import Recognizer

log = logging.getLogger("emovox.recognition")


@dataclass
class _Loaded:
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)  # held while it is loaded, so that it is once
    recognizer: Recognizer | None = None
    users: int = 0
    last_used: float = 0.0


class Models:
    """Recognizers by name, for threads to borrow."""

    def __init__(self, *, most: int, idle: float, load: Callable[[str], Recognizer] | None = None) -> None:
        """Begin with none.

        Args:
            most: in memory at once; one more takes the place of the one that is longest unused.
            idle: seconds after which `sweep` unloads one.
            load: makes a recognizer of a name.
        """
        self._most, self._idle = most, idle
        self._load = load or (lambda name: Recognizer(name, notice=log.info))
        self._lock = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}

    @contextmanager
    def borrow(self, name: str) -> Iterator[Recognizer]:
        """A model for the length of a block, in which it won't be unloaded; loaded first if it has to be.

        Raises:
            ModelError: as `Recognizer`.
        """
        if name == AUTO:  # the same model by its name must not be in memory twice
            name = LARGE if installed(LARGE) else "lite"
        with self._lock:
            entry = self._loaded.setdefault(name, _Loaded(name))
            entry.users += 1
            self._make_room(entry)
        try:
            with entry.lock:
                if entry.recognizer is None:
                    entry.recognizer = self._load(name)
            yield entry.recognizer
        finally:
            with self._lock:
                entry.users -= 1
                entry.last_used = time.monotonic()
                if entry.recognizer is None and not entry.users:
                    self._loaded.pop(name, None)

    def sweep(self) -> None:
        """Unload what nobody uses and nobody has used for `idle` seconds."""
        with self._lock:
            old = time.monotonic() - self._idle
            idle = [entry for entry in self._loaded.values() if not entry.users and entry.last_used < old]
            for entry in idle:
                self._unload(entry)
        if idle:
            gc.collect()

    def names(self) -> list[str]:
        """Those in memory."""
        with self._lock:
            return [entry.name for entry in self._loaded.values() if entry.recognizer is not None]

    def _make_room(self, wanted: _Loaded) -> None:
        others = [entry for entry in self._loaded.values() if entry is not wanted and not entry.users]
        others.sort(key=lambda entry: entry.last_used)
        for entry in others[: max(0, len(self._loaded) - self._most)]:
            self._unload(entry)

    def _unload(self, entry: _Loaded) -> None:
        log.info("model %s unloaded", entry.name)
        del self._loaded[entry.name]
