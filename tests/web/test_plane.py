"""The plane of arousal and valence on the page."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from support import tiny
from support.browser import tab as opened
from support.readouts import swaying
from support.service import Client, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("plane")
    # Arousal is the first of its values, valence the last: they are told by their names.
    model = tiny.write(root / "tiny.onnx", readouts=(tiny.EMOTIONS, tiny.DIMENSIONS))
    with serving(root / "outputs", model=model) as client:
        yield client


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swaying(tmp_path_factory.mktemp("sound") / "call.wav")


def store(client: Client, sound: Path, **options: str) -> str:
    return client.post_file(sound, segments="true", **options).headers["location"].rpartition("/")[2]


def test_the_way_and_the_cursor(browser: Browser, client: Client, sound: Path) -> None:
    output = store(client, sound, granularity="frame")
    curve = client.get(f"/v1/outputs/{output}/timeline", params={"points": 2048}).json()["curve"]
    values = curve["readouts"]["dimensions"]["values"]
    with opened(browser, str(client.base_url)) as tab:
        page = tab.open(f"#/output/{output}")
        plane = page.get_by_role("region", name="Arousal and valence")
        picture = plane.get_by_role("img")
        expect(picture).to_be_visible()
        lines = plane.locator("polyline").evaluate_all("all => all.map(one => one.getAttribute('points'))")
        points = np.array([list(map(float, pair.split(","))) for line in lines for pair in line.split()])
        assert len(points) > 50
        # Valence is three times arousal, which leads out of the range: x moves three times as far as y.
        slopes = np.polyfit(points[:, 0], 260 - points[:, 1], 1)
        assert slopes[0] == pytest.approx(1 / 3, abs=0.02)
        stage = page.locator(".stage")
        stage.focus()
        page.keyboard.press("End")
        page.keyboard.press("j")  # five seconds before the end
        time = float(stage.get_attribute("aria-valuenow") or 0)
        nearest = int(np.abs(np.array(curve["times"]) - time).argmin())
        said = f"{values['arousal'][nearest]:.1f}"
        expect(picture).to_have_attribute("aria-label", re.compile(rf"arousal -?{said.lstrip('-')}"))
        page.keyboard.press("Home")
        plane.get_by_role("button").nth(1).click()
        assert float(stage.get_attribute("aria-valuenow") or 0) > 1


def test_without_curves_there_are_segments_and_without_values_no_plane(
    browser: Browser, client: Client, sound: Path, tmp_path: Path
) -> None:
    output = store(client, sound)
    with opened(browser, str(client.base_url)) as tab:
        page = tab.open(f"#/output/{output}")
        plane = page.get_by_role("region", name="Arousal and valence")
        expect(plane.get_by_role("button").first).to_be_visible()
        assert plane.locator("polyline").count() == 0
        expect(page.get_by_role("button", name="Plane", exact=True)).to_be_enabled()
    plain = tiny.write(tmp_path / "plain.onnx", readouts=(tiny.EMOTIONS,))
    with serving(tmp_path / "outputs", model=plain) as other, opened(browser, str(other.base_url)) as tab:
        page = tab.open(f"#/output/{store(other, sound, granularity='frame')}")
        expect(page.locator(".stage")).to_be_visible()
        expect(page.get_by_role("region", name="Arousal and valence")).to_have_count(0)
        expect(page.get_by_role("button", name="Plane", exact=True)).to_have_count(0)
