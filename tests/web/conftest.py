"""A browser and a service for each module, and a tab for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from emovox.audio.wav import WavWriter
from emovox.audio.waveform import Waveform
from emovox.inference.recognition import Segment
from emovox.models.converted.clips import example_clips
from emovox.outputs import Outputs
from support import browser as browsers
from support import results
from support.browser import Store, Tab
from support.service import Client, serving

PATIENCE = 20_000  # milliseconds: a machine may be busy with other things


@pytest.fixture(scope="session")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Most of a minute: the examples with pauses between them, as a WAV file."""
    chance = np.random.default_rng(0)
    pieces: list[Waveform] = []
    while sum(len(piece) for piece in pieces) < 40 * 16_000:
        for clip in example_clips():
            pieces += [clip, np.zeros(int(chance.uniform(0.4, 1.5) * 16_000), np.float32)]
    path = tmp_path_factory.mktemp("sound") / "minute.wav"
    writer = WavWriter(path)
    writer.write(np.concatenate(pieces))
    writer.close()
    return path


# Playwright keeps an event loop in the thread that began it: not longer than a module.
@pytest.fixture(scope="module")
def browser(minute: Path) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with browsers.browsing(minute) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service of this module's own, whose history nobody else fills."""
    with serving(tmp_path_factory.mktemp("page") / "outputs") as client:
        yield client


@pytest.fixture
def tab(browser: Browser, service: Client) -> Iterator[Tab]:
    """A tab with the page."""
    with browsers.tab(browser, str(service.base_url)) as opened:
        yield opened


@pytest.fixture
def angry(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


@pytest.fixture
def store(service: Client) -> Store:
    """Store a recording of these segments; gives its id."""

    def publish(*segments: Segment, duration: float = 160.0, **changes: Any) -> str:
        recognition = results.recognition(
            recording=results.recording(duration, name="call.wav"), segments=list(segments) or None, **changes
        )
        with Outputs(service.outputs).draft() as draft:
            draft.write(np.zeros(round(duration * 16_000), np.float32))
            return draft.publish(recognition).name

    return publish
