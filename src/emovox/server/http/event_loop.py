"""The event loop: asyncio's own, but it serves a few of many clients at a time, so that timers stay punctual."""

import asyncio
import random
import selectors
import sys

AT_ONCE = 16  # sockets with something to read; each may cost a millisecond


class FewAtOnce(selectors.DefaultSelector):
    """Selects a few sockets at random; the others are still ready at the next call."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The sockets that are ready, a few at most."""
        ready = super().select(timeout)
        return ready if len(ready) <= AT_ONCE else random.sample(ready, AT_ONCE)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop for the service."""
    if sys.platform == "win32":  # where no other loop can start processes
        return asyncio.ProactorEventLoop()
    return asyncio.SelectorEventLoop(FewAtOnce())
