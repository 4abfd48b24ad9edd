import asyncio

import pytest

from emovox.server import looks as module
from emovox.server.looks import Look, Looks


def test_a_look_is_shared_while_it_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    async def look() -> Look:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0.01)
        return "progress", looked, False

    async def main() -> None:
        looks = Looks()
        monkeypatch.setattr(module, "FRESH", 1000.0)
        seen = await asyncio.gather(*(looks.take("a", look) for _ in range(50)))
        assert seen == [("progress", 1, False)] * 50
        assert await looks.take("a", look) == ("progress", 1, False)
        assert await looks.take("b", look) == ("progress", 2, False)
        monkeypatch.setattr(module, "FRESH", 0.0)
        seen = await asyncio.gather(*(looks.take("a", look) for _ in range(50)))  # while it lasts it is fresh
        assert seen == [("progress", 3, False)] * 50
        assert list(looks._looks) == ["a"]  # nothing is kept of what nobody looks at

    asyncio.run(main())


def test_whoever_goes_leaves_it_to_the_others() -> None:
    async def look() -> Look:
        await asyncio.sleep(0.02)
        return "done", None, True

    async def fail() -> Look:
        raise ValueError("gone")

    async def main() -> None:
        looks = Looks()
        first, second = (asyncio.create_task(looks.take("a", look)) for _ in range(2))
        await asyncio.sleep(0.001)
        first.cancel()
        assert await second == ("done", None, True)
        assert first.cancelled()
        results = await asyncio.gather(*(looks.take("b", fail) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["gone"] * 3

    asyncio.run(main())
