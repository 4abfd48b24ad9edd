"""The event loop: asyncio's own, that takes a few of many clients at a time, so that none holds up what is due."""

import asyncio
import random
import selectors
import sys

TOGETHER = 16  # of the sockets with something to read; each may cost a millisecond


class FewAtOnce(selectors.DefaultSelector):
    """Tells of a few sockets, chosen by lot; the others are still ready when it is asked again."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, but no more than so many."""
        ready = super().select(timeout)
        return ready if len(ready) <= TOGETHER else random.sample(ready, TOGETHER)


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for the service."""
    if sys.platform == "win32":  # where only this one can start processes
        return asyncio.ProactorEventLoop()
    return asyncio.SelectorEventLoop(FewAtOnce())
