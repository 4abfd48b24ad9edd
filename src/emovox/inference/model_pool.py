"""The model pool: models are loaded when they are needed, and unloaded when unused for a while."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import AUTO, installed
from emovox.models.loading import PrecisionChoice
from emovox.models.named import LARGE

log = logging.getLogger("emovox.inference")


class ModelChoice(NamedTuple):
    """A model, and the precision of its arithmetic."""

    model: str
    precision: PrecisionChoice = "auto"


@dataclass
class _Loaded:
    choice: ModelChoice
    lock: threading.Lock = field(
        default_factory=threading.Lock
    )  # held while it is loaded, so that it is loaded once
    recognizer: Recognizer | None = None
    users: int = 0
    last_used: float = 0.0


class ModelPool:
    """Recognizers by model and precision, for threads to borrow."""

    def __init__(self, *, most: int, idle: float, load: Callable[[ModelChoice], Recognizer] | None = None) -> None:
        """Begin with none.

        Args:
            most: in memory at once; another one replaces the least recently used.
            idle: seconds without use after which `sweep` unloads one.
            load: makes a recognizer for a choice.
        """
        self._most, self._idle = most, idle
        self._load = load or _load
        self._lock = threading.Lock()
        self._loaded: dict[ModelChoice, _Loaded] = {}

    @contextmanager
    def borrow(self, choice: ModelChoice) -> Iterator[Recognizer]:
        """A model for the length of a block, during which it won't be unloaded; loaded first if necessary.

        Raises:
            ModelError: as `Recognizer`.
        """
        if choice.model == AUTO:  # the same model under its name must not be in memory twice
            choice = ModelChoice(LARGE if installed(LARGE) else "lite", choice.precision)
        with self._lock:
            entry = self._find(choice)
            entry.users += 1
            self._make_room(entry)
        try:
            with entry.lock:
                if entry.recognizer is None:
                    entry.recognizer = self._load(entry.choice)
            yield entry.recognizer
        finally:
            with self._lock:
                entry.users -= 1
                entry.last_used = time.monotonic()
                if entry.recognizer is None and not entry.users:
                    self._loaded.pop(entry.choice, None)

    def sweep(self) -> None:
        """Unload models that haven't been used for `idle` seconds."""
        with self._lock:
            limit = time.monotonic() - self._idle
            idle = [entry for entry in self._loaded.values() if not entry.users and entry.last_used < limit]
            for entry in idle:
                self._unload(entry)
        if idle:
            gc.collect()

    def names(self) -> list[str]:
        """The names of the models in memory."""
        with self._lock:
            return sorted({entry.choice.model for entry in self._loaded.values() if entry.recognizer is not None})

    def _find(self, choice: ModelChoice) -> _Loaded:
        """The entry of a choice; a model loaded as `auto` serves for the precision that was chosen for it, too."""
        others = [entry for entry in self._loaded.values() if entry.choice.model == choice.model]
        for entry in others if choice not in self._loaded else ():
            if entry.recognizer is not None and entry.recognizer.model.precision == choice.precision:
                return entry
        return self._loaded.setdefault(choice, _Loaded(choice))

    def _make_room(self, entry: _Loaded) -> None:
        others = [other for other in self._loaded.values() if other is not entry and not other.users]
        others.sort(key=lambda other: other.last_used)
        for other in others[: max(0, len(self._loaded) - self._most)]:
            self._unload(other)

    def _unload(self, entry: _Loaded) -> None:
        log.info("model %s unloaded", entry.choice.model)
        del self._loaded[entry.choice]


def _load(choice: ModelChoice) -> Recognizer:
    return Recognizer(choice.model, precision=choice.precision, notice=log.info)
