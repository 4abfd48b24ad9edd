"""The timeline: seeing, moving, hearing."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from emovox.emotions import EMOTIONS, NAMES
from emovox.inference.recognition import Line, Recognition
from emovox.models.converted.clips import example_clips
from emovox.outputs import Outputs
from support import results
from support.browser import Store, Tab
from support.browser import tab as opened
from support.service import Client
from support.waiting import until

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
            """(colours) => {
                const COLOURS = new Set(colours)
                document.body.style.width = '620px'
                const canvas = document.querySelector('.stage canvas')
                const inner = canvas.getBoundingClientRect()
                const outer = document.querySelector('.frame').getBoundingClientRect()
                const table = document.querySelector('details .scroll')
                const pixel = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
                let waves = 0 // pixels in the colours that emotions have on white
                for (let at = 0; at < pixel.length; at += 4) {
                    const [red, green, blue] = pixel.subarray(at, at + 3)
                    waves += COLOURS.has((red << 16) | (green << 8) | blue)
                }
                return [inner.right - outer.right, table.scrollHeight - table.clientHeight, waves]
            }""",
            [int(emotion.colour[1:], 16) for emotion in EMOTIONS],
        )
        assert cut <= 1
        assert high <= 1
        assert waves > 1000


def test_numbers_under_the_pointer_and_at_the_cursor(page: Page, tab: Tab) -> None:
    stage = page.locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    stage.focus()
    for _ in range(2):
        page.keyboard.press("]")
    stage.hover(position={"x": box["width"] * (cursor(page) + 0.3) / tab.view()[1], "y": 250})
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    assert tip.inner_text().count("%") >= 4
    said = stage.get_attribute("aria-valuetext") or ""
    assert any(name in said.lower() for name in NAMES)
    legend = page.get_by_role("group", name="Curves")
    if legend.get_by_role("button", expanded=False).count():
        legend.get_by_role("button", expanded=False).click()  # those that never lead
    buttons = legend.get_by_role("button", name="%")
    expect(buttons).to_have_count(9)
    shown = [float(text.split("\n")[-1].rstrip(" %")) for text in buttons.all_inner_texts()]
    assert sum(shown) == pytest.approx(100, abs=5)  # each is rounded

    angry = legend.get_by_role("button", name="Angry")
    angry.click()
    expect(angry).to_have_attribute("aria-pressed", "false")
    angry.click()
    expect(angry).to_have_attribute("aria-pressed", "true")
    stage.focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    expect(stage).to_have_attribute("aria-valuetext", "0:00.0, Nobody speaks")
    expect(buttons).to_have_count(0)


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


def test_it_plays_slower_louder_and_over_again(page: Page) -> None:
    stage = page.locator(".stage")
    stage.focus()
    page.keyboard.press("]")
    start = cursor(page)
    page.get_by_role("combobox", name="Speed").select_option("2")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Repeat the segment").click()
    expect(page.get_by_role("button", name="Repeat the segment")).to_have_attribute("aria-pressed", "true")
    end = page.evaluate("(id) => fetch(`/v1/outputs/${id}/timeline`).then((one) => one.json())", _id(page))[
        "segments"
    ][0]["end"]
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(
        "(half) => document.querySelector('.stage').ariaValueNow > half", arg=(start + end) / 2, polling=20
    )
    page.wait_for_function(
        "(half) => document.querySelector('.stage').ariaValueNow < half", arg=(start + end) / 2, polling=20
    )  # it has begun again
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Repeat the segment").click()
    stage.focus()
    page.keyboard.press("Home")
    page.keyboard.press("l")
    assert cursor(page) == pytest.approx(5, abs=0.1)
    page.keyboard.press("j")
    assert cursor(page) == pytest.approx(0, abs=0.1)
    page.keyboard.press("<")
    expect(page.get_by_role("combobox", name="Speed")).to_have_value("1.5")
    page.get_by_role("slider", name="Volume").fill("0.25")
    assert page.evaluate("() => localStorage.getItem('emovox.volume')") == "0.25"


def _id(page: Page) -> str:
    return page.url.rpartition("/")[2]


def test_words_beside_the_curve(page: Page, tab: Tab) -> None:
    before = page.evaluate("() => document.querySelector('.stage').clientHeight")
    srt = "1\n00:00:00,000 --> 00:00:02,000\nGood morning\n\n2\n00:00:05,000 --> 00:00:07,000\nand again\n"
    tab.drop(("call.srt", srt.encode()), on=".timeline")
    expect(page.get_by_text("Good morning")).to_be_visible()
    assert page.evaluate("() => document.querySelector('.stage').clientHeight") > before
    assert page.url.endswith(_id(page))  # it was no recording
    expect(page.locator(".veil")).to_have_count(0)
    stage = page.locator(".stage")
    stage.focus()
    page.keyboard.press("l")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("and again")).to_be_visible()
    tab.shoot("words")
    page.get_by_role("button", name="Remove the words of call.srt").click()
    expect(page.get_by_text("and again")).to_have_count(0)
    tab.drop(("none.vtt", b"WEBVTT\n\nnothing"), on=".timeline")
    expect(page.get_by_role("alert")).to_have_text("none.vtt has no words with times.")


def test_words_of_the_result_itself(tab: Tab, store: Store) -> None:
    """As of a transcriber, or of `--words`."""
    lines = [
        Line(start=0.0, end=2.0, text="Good morning", emotion="angry", confidence=0.75),
        Line(start=5.0, end=7.0, text="and again"),
    ]
    page = tab.open(f"#/output/{store(results.segment(0.2, 1.9, 'angry'), duration=10.0, lines=lines)}")
    expect(page.get_by_text("Good morning")).to_be_visible()
    page.get_by_role("button", name="Remove the words of call.wav").click()
    expect(page.get_by_text("Good morning")).to_have_count(0)


def test_words_stay_when_it_is_recognised_again(tab: Tab, service: Client, angry: Path) -> None:
    location = service.post_file(angry, segments="true").headers["location"]
    path = service.outputs / location.rpartition("/")[2] / "result.json"
    result = Recognition.from_json(path.read_bytes())
    lines = [Line(start=0.0, end=1.5, text="Good morning")]
    path.write_text(result.model_copy(update={"lines": lines}).to_json(), encoding="utf-8")
    page = tab.open(f"#/output/{location.rpartition('/')[2]}")
    page.get_by_label("Again, relative to").select_option("self")
    page.get_by_role("button", name="Recognise again").click()
    expect(page).to_have_url(re.compile(r"#/$"))
    tab.result()
    [latest, *_] = service.get("/v1/outputs").json()["outputs"]
    [line] = service.get(f"/v1/outputs/{latest['id']}/result").json()["lines"]
    assert (line["text"], line["emotion"]) == ("Good morning", "angry")


def recognise_call(service: Client, path: Path, sound: NDArray[np.float32], **options: str) -> None:
    """Have the two channels of a sound, (samples, 2) at 16 kHz, recognised by themselves."""
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    files = [("file", (path.name, path.read_bytes()))]
    data = {"split_channels": "true", "segments": "true", **options}
    for job in service.post("/v1/batches", files=files, data=data).json()["jobs"]:
        service.finished(job["id"])


def test_a_call_is_recognised_again_as_one(tab: Tab, service: Client, tmp_path: Path) -> None:
    one, other = example_clips()[:2]
    sound = np.zeros((len(one) + len(other), 2), np.float32)
    sound[: len(one), 0], sound[len(one) :, 1] = one, other
    recognise_call(service, tmp_path / "客服 again.wav", sound, side="customer,worker")
    [row] = service.get("/v1/outputs?together=true&name=客服 again").json()["outputs"]
    page = tab.open(f"#/output/{row['call'][1]}")
    tab.result()
    with page.expect_download() as download:
        page.get_by_role("link", name="result.json").click()
    assert download.value.suggested_filename == "客服 again_channel2_result.json"
    with page.expect_download() as download:
        page.get_by_role("link", name="All as zip").click()
    assert download.value.suggested_filename == "客服 again_channel2.zip"
    expect(page.get_by_text("All channels of this recording are recognised again together.")).to_be_visible()
    page.get_by_label("Again, relative to").select_option("self")
    tab.shoot("call-before", whole=True)
    page.get_by_role("button", name="Recognise again").click()
    expect(page).to_have_url(re.compile(r"#/$"))
    tab.result()
    expect(page.locator(".head .chip").first).to_have_text("channel 2")  # the side that was looked at
    expect(page.get_by_role("group", name="The two sides of a call")).to_be_visible()

    until(lambda: len(service.get("/v1/outputs?name=客服 again").json()["outputs"]) == 4)
    rows = service.get("/v1/outputs?together=true&name=客服 again").json()["outputs"]
    assert [each["call"] for each in rows][1:] == [row["call"]]
    assert not {*rows[0]["call"]} & {*row["call"]}
    for id_, side in zip(rows[0]["call"], ("customer", "worker"), strict=True):
        result = service.get(f"/v1/outputs/{id_}/result").json()
        assert (result["granularity"], result["recording"]["side"]) == ("frame", side)
    shown = page.locator(".result").get_attribute("data-output")
    assert shown == rows[0]["call"][1]
    # The other side on the same axis is the new one, not that of before.
    page.wait_for_function(
        "id => performance.getEntriesByType('resource').some(({ name }) => name.includes(`${id}/timeline`))",
        arg=rows[0]["call"][0],
    )
    tab.shoot("call-again")


def test_a_call_has_two_sides(tab: Tab, service: Client, tmp_path: Path) -> None:
    one, other = example_clips()[:2]
    sound = np.zeros((16_000 * 14, 2), np.float32)
    sound[: len(one), 0] = one
    sound[16_000 * 7 : 16_000 * 7 + len(other), 1] = other
    recognise_call(service, tmp_path / "call.wav", sound, granularity="frame")
    [second, *_] = [one for one in service.get("/v1/outputs").json()["outputs"] if "_channel2" in one["id"]]
    page = tab.open(f"#/output/{second['id']}")
    tab.result()
    call = page.get_by_role("group", name="The two sides of a call")
    expect(call.get_by_text("of the talk")).to_have_count(2)
    stage = page.locator(".stage")
    both = page.evaluate("() => document.querySelector('.stage').clientHeight")
    stage.focus()
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert cursor(page) == pytest.approx(7, abs=0.4)  # the other's turn
    page.keyboard.press("[")
    assert cursor(page) < 1
    page.keyboard.press("s")
    expect(call.get_by_role("button", name="Side 1 alone")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("() => document.querySelector('.stage').clientHeight") < both
    page.keyboard.press("s")
    page.keyboard.press("s")
    expect(call.get_by_role("button", pressed=True)).to_have_count(0)
    call.get_by_role("button", name="Name Side 2").click()
    call.get_by_role("textbox").fill("Ms Li")
    page.keyboard.press("Enter")
    expect(call.get_by_role("button", name="Ms Li alone")).to_be_visible()
    tab.shoot("call")
    page.reload()
    expect(call.get_by_role("button", name="Ms Li alone")).to_be_visible()
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => document.querySelector('.stage').ariaValueNow > 0.3")
    page.get_by_role("button", name="Pause").click()


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
