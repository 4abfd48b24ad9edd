import asyncio

import pytest

from emovox.server import polls as module
from emovox.server.polls import Event, Polls


def test_a_poll_is_shared_while_it_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    async def poll() -> Event:
        nonlocal count
        count += 1
        await asyncio.sleep(0.01)
        return "progress", count, False

    async def main() -> None:
        polls = Polls()
        monkeypatch.setattr(module, "FRESH", 1000.0)
        events = await asyncio.gather(*(polls.share("a", poll) for _ in range(50)))
        assert events == [("progress", 1, False)] * 50
        assert await polls.share("a", poll) == ("progress", 1, False)
        assert await polls.share("b", poll) == ("progress", 2, False)
        monkeypatch.setattr(module, "FRESH", 0.0)
        events = await asyncio.gather(*(polls.share("a", poll) for _ in range(50)))  # while it lasts it is fresh
        assert events == [("progress", 3, False)] * 50
        assert list(polls._polls) == ["a"]  # nothing is kept of what nobody follows

    asyncio.run(main())


def test_whoever_goes_leaves_it_to_the_others() -> None:
    async def poll() -> Event:
        await asyncio.sleep(0.02)
        return "done", None, True

    async def fail() -> Event:
        raise ValueError("gone")

    async def main() -> None:
        polls = Polls()
        first, second = (asyncio.create_task(polls.share("a", poll)) for _ in range(2))
        await asyncio.sleep(0.001)
        first.cancel()
        assert await second == ("done", None, True)
        assert first.cancelled()
        results = await asyncio.gather(*(polls.share("b", fail) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["gone"] * 3

    asyncio.run(main())
