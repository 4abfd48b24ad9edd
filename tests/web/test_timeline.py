"""The timeline: seeing, moving, hearing."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from emovox.emotions import NAMES
from emovox.outputs import Outputs
from support import results
from support.browser import Tab
from support.browser import tab as opened
from support.service import Client

HOURS = 2 * 3600


@pytest.fixture(scope="module")
def output(service: Client, minute: Path) -> str:
    """The stored minute's id."""
    answer = service.post_file(minute, granularity="frame", segments="true")
    return answer.headers["location"].rpartition("/")[2]


@pytest.fixture
def page(tab: Tab, output: str) -> Page:
    page = tab.open(f"#/output/{output}")
    tab.result()
    return page


def cursor(page: Page) -> float:
    return float(page.locator(".stage").get_attribute("aria-valuenow") or "")


def test_wheel_buttons_keys_and_dragging(page: Page, tab: Tab) -> None:
    stage = page.locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    whole = tab.view()
    assert whole[0] == 0
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 120)
    page.keyboard.down("Control")
    for _ in range(5):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_timeout(100)
    start, end = tab.view()
    assert end - start < whole[1] / 10
    assert (start + end) / 2 == pytest.approx(whole[1] / 2, rel=0.05)  # around the pointer

    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 120, steps=5)
    page.mouse.up()
    assert tab.view()[0] == pytest.approx(start + (end - start) / 4, rel=0.02)
    assert cursor(page) == 0  # that was no click

    page.get_by_role("button", name="Show all").click()
    assert tab.view() == whole
    stage.focus()
    for key in ("+", "+", "ArrowUp"):
        page.keyboard.press(key)
    start, end = tab.view()
    assert end - start == pytest.approx(whole[1] / 1.6**3)
    page.keyboard.press("End")
    assert cursor(page) == pytest.approx(whole[1], abs=0.1)
    assert tab.view()[1] == pytest.approx(whole[1])
    page.keyboard.press("Home")
    assert tab.view()[0] == 0
    page.keyboard.press("]")
    first = cursor(page)
    page.keyboard.press("]")
    assert cursor(page) > first
    page.keyboard.press("0")
    assert tab.view() == whole
    tab.shoot("timeline")


def test_the_wheel_alone_scrolls_the_page(page: Page, tab: Tab) -> None:
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before, whole = page.evaluate("() => scrollY"), tab.view()
    page.mouse.wheel(0, 200)
    expect(page.locator(".hint")).to_have_text("Ctrl + wheel zooms the timeline")
    tab.shoot("wheel-hint")
    page.wait_for_function("(before) => scrollY > before", arg=before)
    assert tab.view() == whole
    page.mouse.wheel(0, -5000)
    page.wait_for_function("() => scrollY === 0")
    page.get_by_role("button", name="Zoom in").click()
    closer = tab.view()
    assert closer != whole
    stage.hover()
    page.mouse.wheel(0, 200)  # nor does it trap who has zoomed
    page.wait_for_function("() => scrollY > 0")
    assert tab.view() == closer


def test_two_fingers_zoom_and_one_scrolls(browser: Browser, service: Client, output: str) -> None:
    size = {"width": 390, "height": 800}
    with opened(browser, str(service.base_url), viewport=size, has_touch=True, is_mobile=True) as tab:
        page = tab.open(f"#/output/{output}")
        tab.result()
        page.locator(".stage").scroll_into_view_if_needed()
        box = page.locator(".stage").bounding_box()
        assert box is not None
        middle, y = box["x"] + box["width"] / 2, box["y"] + 150
        whole = tab.view()
        touches = page.context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            at = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            touches.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": at})

        touch("Start", (middle - 20, y), (middle + 20, y))
        for spread in range(25, 100, 5):
            touch("Move", (middle - spread, y), (middle + spread, y))
        touch("End")
        start, end = tab.view()
        assert end - start < 0.5 * (whole[1] - whole[0])
        assert page.evaluate("() => visualViewport.scale") == 1  # the page itself stays as it is
        before = page.evaluate("() => scrollY")
        touch("Start", (middle, y))
        for step in range(1, 12):
            touch("Move", (middle, y - 15 * step))
        touch("End")
        page.wait_for_function("(before) => scrollY > before", arg=before)


def test_the_stored_sound_is_recognised_with_frames(tab: Tab, service: Client, angry: Path) -> None:
    answer = service.post_file(angry, segments="true", speech_only="true")
    first = answer.headers["location"].rpartition("/")[2]
    page = tab.open(f"#/output/{first}")
    tab.result()
    tab.shoot("without-frames")
    page.get_by_role("button", name="Recognise the stored sound with frames").click()
    expect(page.get_by_role("group", name="Curves")).to_be_visible()
    latest = service.get("/v1/outputs").json()["outputs"][0]
    assert (latest["name"], latest["emotion"]) == (angry.name, "angry")
    assert latest["id"] != first
    assert service.get(f"/v1/outputs/{first}").is_success  # the other is kept


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_print_shows_all_of_the_timeline_on_white(
    browser: Browser, service: Client, output: str, theme: str
) -> None:
    with opened(browser, str(service.base_url), color_scheme=theme) as tab:
        page = tab.open(f"#/output/{output}")
        tab.result()
        page.get_by_text("Table of").click()
        page.emulate_media(media="print")
        page.wait_for_function(
            "() => getComputedStyle(document.documentElement).colorScheme === 'light'"
        )  # and the canvas is drawn anew
        tab.shoot(f"print-{theme}", whole=True)
        # Paper is narrower than the screen, and no script runs between the two.
        cut, high, waves = page.evaluate(
            """() => {
                document.body.style.width = '620px'
                const canvas = document.querySelector('.stage canvas')
                const inner = canvas.getBoundingClientRect()
                const outer = document.querySelector('.frame').getBoundingClientRect()
                const table = document.querySelector('details .scroll')
                const pixel = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
                let waves = 0 // pixels in the colour of the waveform on white
                for (let at = 0; at < pixel.length; at += 4) {
                    waves += pixel[at] === 0x8d && pixel[at + 1] === 0x8a && pixel[at + 2] === 0x9c
                }
                return [inner.right - outer.right, table.scrollHeight - table.clientHeight, waves]
            }"""
        )
        assert cut <= 1
        assert high <= 1
        assert waves > 1000


def test_numbers_under_the_pointer_and_at_the_cursor(page: Page) -> None:
    stage = page.locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 250)
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    assert tip.inner_text().count("%") >= 4
    stage.click(position={"x": box["width"] * 0.3, "y": 250})
    said = stage.get_attribute("aria-valuetext") or ""
    assert any(name in said.lower() for name in NAMES)
    legend = page.get_by_role("group", name="Curves")
    shown = [
        float(text.split("\n")[-1].rstrip(" %")) for text in legend.get_by_role("button").all_inner_texts()[:9]
    ]
    assert sum(shown) == pytest.approx(100, abs=5)  # each is rounded

    angry = legend.get_by_role("button", name="Angry")
    angry.click()
    expect(angry).to_have_attribute("aria-pressed", "false")
    legend.get_by_role("button", name="All").click()
    expect(angry).to_have_attribute("aria-pressed", "true")


def test_it_plays_from_anywhere_and_a_segment_alone(page: Page) -> None:
    stage = page.locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    stage.click(position={"x": box["width"] / 2, "y": 250})
    half = cursor(page)
    assert half > 10
    page.get_by_role("button", name="Play", exact=True).click()
    pause = page.get_by_role("button", name="Pause")
    expect(pause).to_be_visible()
    page.wait_for_timeout(1200)
    assert half + 0.3 < cursor(page) < half + 5
    pause.click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()

    page.get_by_text("Table of").click()
    rows = page.get_by_role("region", name="Segments").locator("tbody tr")
    texts = [row.split("\t") for row in rows.all_inner_texts()]
    lengths = [_seconds(text[2]) - _seconds(text[1]) for text in texts]
    shortest = lengths.index(min(lengths))
    rows.nth(shortest).get_by_role("button").click()
    expect(pause).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible(timeout=10_000)  # at its end
    assert cursor(page) == pytest.approx(_seconds(texts[shortest][2]), abs=0.15)


def _seconds(clock: str) -> float:
    minutes, seconds = clock.strip().split(":")
    return 60 * int(minutes) + float(seconds)


@pytest.mark.slow
def test_two_hours(browser: Browser, service: Client) -> None:
    chance = np.random.default_rng(0)
    segments = [
        results.segment(start, start + 4, str(NAMES[number % 9]))
        for number, start in enumerate(range(0, HOURS - 5, 5))
    ]
    frames = results.frames(HOURS * 5).model_copy(update={"hop": 0.2})  # all of them would take long to write
    long = results.recognition(
        recording=results.recording(HOURS), granularity="frame", frames=frames, segments=segments
    )
    minute = chance.uniform(-0.5, 0.5, 60 * 16_000).astype(np.float32)
    with Outputs(service.outputs).draft() as draft:
        for _ in range(HOURS // 60):
            draft.write(minute * np.float32(chance.uniform(0.2, 1)))
        place = draft.publish(long)
    with opened(browser, str(service.base_url)) as tab:
        page = tab.open(f"#/output/{place.name}")
        tab.result()
        expect(page.get_by_text("2:00:00").first).to_be_visible()
        tab.shoot("two-hours")
        page.evaluate(
            """() => {
                window.gaps = []
                let last = performance.now()
                const look = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(look) }
                requestAnimationFrame(look)
            }"""
        )
        box = page.locator(".stage").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 150)
        page.keyboard.down("Control")
        for _ in range(30):
            page.mouse.wheel(0, -130)
            page.wait_for_timeout(20)
        page.keyboard.up("Control")
        start, end = tab.view()
        assert end - start < 2  # to a word
        for _ in range(20):
            page.mouse.wheel(150, 0)
            page.wait_for_timeout(20)
        page.wait_for_timeout(500)
        gaps = sorted(page.evaluate("() => window.gaps.slice(2)"))
        assert gaps[len(gaps) // 2] < 50  # milliseconds between frames; most machines give 17
        tab.shoot("two-hours-close")
        # What was fetched is what a screen can show, not the recording.
        assert sum(size for path, size in tab.received.items() if "processed_audio" in path) == 0
