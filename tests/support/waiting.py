"""Waiting for what happens by itself, as long as a busy machine may need."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
