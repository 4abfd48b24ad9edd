"""The picture of a video, in step with its sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from emovox.models.converted.clips import example_clips
from support.browser import Tab

APART = 0.1  # seconds between picture and sound
SECONDS = 12


def film(path: Path, codec: Literal["libvpx", "libx264"], sound: Literal["libopus", "aac"]) -> Path:
    """Speech, with a picture that gets brighter by the second."""
    speech = np.concatenate(example_clips())[: SECONDS * 16_000]
    with av.open(str(path), "w") as container:
        picture: Any = container.add_stream(codec, rate=25)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        track: Any = container.add_stream(sound, rate=48_000)
        for number in range(SECONDS * 25):
            image = np.full((120, 160, 3), 20 + number // 25 * 15, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(picture.encode(None))
        samples = (np.repeat(speech, 3)[None] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("films")

    def made(form: str) -> Path:
        path = place / f"film.{form}"
        return film(path, "libvpx", "libopus") if form == "webm" else film(path, "libx264", "aac")

    return made


def settled(page: Page) -> None:
    page.wait_for_function(
        f"""() => {{
            const picture = document.querySelector('video')
            const at = Number(document.querySelector('.stage').ariaValueNow)
            return !picture.seeking && Math.abs(picture.currentTime - at) < {APART}
        }}"""
    )


@pytest.mark.parametrize("form", [pytest.param("webm", marks=pytest.mark.slow), "mp4"])
def test_a_video_s_picture_goes_with_the_sound(tab: Tab, make: Callable[[str], Path], form: str) -> None:
    page = tab.open()
    tab.choose(make(form))
    tab.result()
    picture = page.get_by_label("The picture of the video")
    expect(picture).to_be_visible()
    assert picture.evaluate("(one) => one.muted")
    stage = page.locator(".stage")
    stage.focus()
    page.keyboard.press("l")  # five seconds on
    settled(page)
    assert picture.evaluate("(one) => one.currentTime") == pytest.approx(5, abs=APART)

    page.get_by_label("Speed").select_option("2")
    assert picture.evaluate("(one) => one.playbackRate") == 2
    page.keyboard.press("Home")
    stage.focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('video').currentTime > 2")
    assert picture.evaluate("(one) => !one.paused")
    settled(page)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert picture.evaluate("(one) => one.paused")
    settled(page)

    page.get_by_label("Speed").select_option("1")
    stage.focus()
    page.keyboard.press("]")
    page.keyboard.press("Enter")  # plays a segment, and stops
    page.wait_for_function("() => document.querySelector('video').paused === false")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    settled(page)
    page.keyboard.press("r")  # over and over
    page.keyboard.press("Space")
    start = picture.evaluate("(one) => one.currentTime")
    page.wait_for_function(f"() => document.querySelector('video').currentTime > {start} + 0.5")
    page.wait_for_function(f"() => document.querySelector('video').currentTime < {start} + 0.3")
    settled(page)
    tab.shoot(f"picture-{form}")


def test_sound_alone_has_no_picture(tab: Tab, angry: Path, tmp_path: Path, make: Callable[[str], Path]) -> None:
    page = tab.open()
    tab.choose(angry)
    tab.result()
    assert page.locator("video").count() == 0
    (named := tmp_path / "sound.mp4").write_bytes(angry.read_bytes())  # by its name it might have one
    tab.choose(named)
    expect(page.locator("article.result h2").first).to_have_text("sound.mp4")
    tab.result()
    expect(page.locator("video")).to_be_hidden()
    page.reload()  # the file was the tab's, and nobody stored it
    tab.result()
    assert page.locator("video").count() == 0
