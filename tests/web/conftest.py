"""A browser for each module, and a tab for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from emovox.models.clips import example_clips

from support.service import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.browser import Tab


PATIENCE = 20_000  # milliseconds: a machine may be busy with other things


# Playwright keeps an event loop in the thread that began it: not longer than a module.
@pytest.fixture(scope="module")
def browser(minute: Path) -> "Iterator[Browser]":
    pytest.importorskip("playwright")
    from playwright.sync_api import expect  # noqa: PLC0415

    from support.browser import browsing  # noqa: PLC0415

    expect.set_options(timeout=PATIENCE)
    with browsing(minute) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service of this module's own, whose history nobody else fills."""
    from support.service import serving  # noqa: PLC0415

    with serving(tmp_path_factory.mktemp("page") / "outputs") as client:
        yield client


@pytest.fixture
def tab(browser: "Browser", service: Client) -> "Iterator[Tab]":
    """A tab with the page."""
    from support.browser import tab  # noqa: PLC0415

    with tab(browser, str(service.base_url)) as opened:
        yield opened


@pytest.fixture
def angry(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


@pytest.fixture(scope="session")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the examples with pauses between them, as a WAV file."""
    chance = np.random.default_rng(0)
    pieces = []
    while sum(map(len, pieces)) < 40 * 16_000:
        for clip in example_clips():
            pieces += [clip, np.zeros(int(chance.uniform(0.4, 1.5) * 16_000), np.float32)]
    path = tmp_path_factory.mktemp("sound") / "minute.wav"
    writer = WavWriter(path)
    writer.write(np.concatenate(pieces))
    writer.close()
    return path
