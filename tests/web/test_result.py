"""What is seen of a result before anything is scrolled."""

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, expect

from emovox.models.converted.clips import example_clips
from support import results
from support.browser import Store, Tab
from support.browser import tab as opened
from support.service import Client

TOP = 300  # pixels from the top above which the timeline begins


@pytest.fixture
def shown(service: Client, store: Store, minute: Path, tmp_path: Path) -> dict[str, str]:
    """Results of every kind, with as much above their timelines as there is to say."""
    run = results.run
    relative = service.post_file(minute, granularity="frame", segments="true", baseline="self")
    return {
        "clear": store(*run(0, 20, "angry"), duration=24.0),
        "tie": store(*run(0, 8, "angry"), *run(8, 16, "sad"), duration=20.0),
        "unsure": store(*run(0, 8, "angry", unsure=True)),
        "arc": store(*run(0, 72), *run(72, 100, "angry"), *run(100, 120, unsure=True), *run(120, 156)),
        "call": call(service, tmp_path / "call.wav"),
        "relative": relative.headers["location"].rpartition("/")[2],
    }


def two_channels(path: Path, sound: NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def call(service: Client, path: Path) -> str:
    """One side of a call in which both show every emotion."""
    sound, at = np.zeros((16_000 * 60, 2), np.float32), 0
    for number, clip in enumerate(example_clips() * 2):
        if at + len(clip) < len(sound):
            sound[at : at + len(clip), number % 2] = clip
        at += len(clip) + 4000
    two_channels(path, sound)
    options = {"split_channels": "true", "segments": "true", "granularity": "frame"}
    files = [("file", (path.name, path.read_bytes()))]
    for job in service.post("/v1/batches", files=files, data=options).json()["jobs"]:
        service.finished(job["id"])
    ids = [str(one["id"]) for one in service.get("/v1/outputs").json()["outputs"]]
    return next(one for one in ids if "_channel1" in one)


def test_the_sides_of_a_call_are_noticed(tab: Tab, tmp_path: Path) -> None:
    page = tab.open()
    mono, stereo = np.concatenate(example_clips())[:64_000], tmp_path / "stereo.wav"
    two_channels(stereo, np.stack([mono, 0.5 * mono], axis=1))
    page.set_input_files("#files", str(stereo))
    expect(page.locator("#estimate")).to_contain_text("About 0:0")
    offer = page.get_by_text("The two channels differ")
    expect(offer).to_have_count(0)
    two_channels(tmp_path / "sides.wav", np.stack([mono, mono[::-1]], axis=1))
    page.set_input_files("#files", str(tmp_path / "sides.wav"))
    expect(offer).to_be_visible()
    tab.shoot("two-sides")
    page.get_by_role("button", name="Each channel by itself").click()
    expect(offer).to_have_count(0)
    page.get_by_role("button", name="Remove: stereo.wav").click()
    page.locator(".go").click()
    tab.result()
    expect(page.locator(".call")).to_be_visible()


def test_the_timeline_begins_high(browser: Browser, service: Client, shown: dict[str, str]) -> None:
    for size in ({"width": 1440, "height": 900}, {"width": 1280, "height": 800}):
        for language in ("en-GB", "zh-CN"):
            with opened(browser, str(service.base_url), viewport=size, locale=language) as tab:
                for kind, output in shown.items():
                    page = tab.open(f"#/output/{output}")
                    tab.result()
                    if kind == "call":
                        expect(page.locator(".call")).to_be_visible()
                    box = page.locator(".stage").bounding_box()
                    assert box is not None
                    assert box["y"] < TOP, (kind, size, language)
                    card = page.locator(".verdict")
                    for part in (".headline", ".sentence"):  # nothing is cut to make room
                        cut = card.locator(part).evaluate("(one) => one.scrollWidth - one.clientWidth")
                        assert cut <= 0, (kind, size, language)
