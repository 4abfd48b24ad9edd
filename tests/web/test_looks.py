"""For everybody: keys alone, screen readers, narrow screens, both themes; light enough, and nobody else told."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from emovox.emotions import EMOTIONS
from emovox.models.named import CATALOG
from support.browser import Tab, axe
from support.browser import tab as opened
from support.service import Client

LARGEST = 150_000  # bytes of what the page is made of, until something else than its opening is looked at
_FOCUSED = "() => { const on = document.activeElement; return (on.ariaLabel ?? on.innerText).trim() }"


@pytest.fixture(scope="module")
def filled(service: Client) -> Client:
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.flac"))[:3]:
        assert service.post_file(path, granularity="frame", segments="true").is_success
    return service


def ids(service: Client) -> list[str]:
    return [item["id"] for item in service.get("/v1/outputs").json()["outputs"]]


def serious(page: Page) -> list[str]:
    """What axe finds that shuts somebody out."""
    page.evaluate(axe())
    page.wait_for_timeout(400)  # until colours have settled
    found: dict[str, Any] = page.evaluate("() => window.axe.run()")
    return [
        f"{item['id']}: {item['help']}: {[node['target'] for node in item['nodes']][:3]}"
        for item in found["violations"]
        if item["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(("theme", "language"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_axe_finds_nothing_serious(browser: Browser, filled: Client, theme: str, language: str) -> None:
    one, other = ids(filled)[:2]
    with opened(browser, str(filled.base_url), color_scheme=theme, locale=language) as tab:
        for route in ("", "#/history", "#/insights", f"#/output/{one}", f"#/compare/{one}/{other}"):
            page = tab.open(route)
            page.wait_for_timeout(300)
            for details in page.locator("main details").all():
                details.evaluate("(node) => { node.open = true }")
            assert serious(page) == [], route
            tab.shoot(f"{theme}-{route.split('/')[1] if route else 'start'}", whole=True)
        page = tab.open("#/history")
        page.get_by_role("checkbox").first.check()
        page.get_by_role("button", name="Tags" if language == "en-GB" else "标签").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert serious(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        assert serious(page) == []
        tab.shoot(f"{theme}-keys")
        page.keyboard.press("Escape")
        tab.options()
        assert serious(page) == []
        tab.shoot(f"{theme}-drawer")


def test_axe_finds_nothing_serious_in_a_queue(
    tab: Tab, filled: Client, examples: list[Path], tmp_path: Path
) -> None:
    (bad := tmp_path / "bad.mp3").write_bytes(b"no sound")
    page = tab.open()
    tab.choose(*examples[:4], bad)
    expect(page.get_by_text("5 of 5 finished")).to_be_visible()
    tab.result()
    assert serious(page) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1440])
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_nothing_sticks_out(browser: Browser, filled: Client, width: int, language: str) -> None:
    one, other = ids(filled)[:2]
    size = {"width": width, "height": 800}
    with opened(browser, str(filled.base_url), viewport=size, locale=language) as tab:
        for route in ("", "#/history", "#/insights", f"#/output/{one}", f"#/compare/{one}/{other}"):
            page = tab.open(route)
            page.wait_for_timeout(400)
            wide = page.evaluate("() => document.scrollingElement.scrollWidth")
            assert wide <= width, route
            tab.shoot(f"{width}-{language}-{route.split('/')[1] if route else 'start'}", whole=True)


def test_themes(browser: Browser, filled: Client) -> None:
    def ground(page: Page) -> int:
        colour: str = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3])

    with opened(browser, str(filled.base_url), color_scheme="dark") as tab:
        page = tab.open()
        assert ground(page) < 150
        page.get_by_role("button", name="Theme").click()  # from the system's to light
        assert ground(page) > 600
        page.reload()
        page.wait_for_selector("main section")
        assert ground(page) > 600
        page.get_by_role("button", name="Theme").click()
        assert ground(page) < 150


def test_with_keys_alone(tab: Tab, filled: Client) -> None:
    page = tab.open()
    expect(page.get_by_role("button", name="Try an example")).to_be_enabled()

    def tab_to(name: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            focused = page.evaluate(_FOCUSED)
            if str(focused).startswith(name):
                return
        raise AssertionError(f"Tab never comes to {name!r}")

    tab_to("Skip to the result")
    tab_to("Try an example")
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # where the focus is can be seen
    page.keyboard.press("Enter")
    tab.result()
    tab_to("Timeline:")
    whole = tab.view()
    page.keyboard.press("+")
    assert tab.view() != whole
    page.keyboard.press("]")
    page.keyboard.press("Enter")  # plays that segment
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    tab_to("Angry")
    page.keyboard.press("Space")
    curves = page.get_by_role("group", name="Curves")
    expect(curves.get_by_role("button", name="Angry")).to_have_attribute("aria-pressed", "false")
    tab_to("Table of")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_be_visible()


def test_it_is_light(browser: Browser, filled: Client) -> None:
    with opened(browser, str(filled.base_url)) as tab:
        page = tab.open()
        expect(page.get_by_role("button", name="Try an example")).to_be_enabled()  # all is there
        files = {path: size for path, size in tab.received.items() if path == "/" or "assets" in path}
        assert len(files) >= 3
        assert sum(files.values()) < LARGEST


def test_it_is_drawn_before_the_service_has_said_anything(browser: Browser, filled: Client) -> None:
    with opened(browser, str(filled.base_url)) as tab:
        tab.page.route("**/v1/**", lambda _: None)  # which is never answered
        page = tab.open()
        expect(page.get_by_role("heading", name="Hear how it was said.")).to_be_visible()
        expect(page.get_by_role("button", name="Choose files")).to_be_enabled()


def test_what_has_the_same_colour_has_another_texture(tab: Tab, filled: Client) -> None:
    page = tab.open(f"#/output/{ids(filled)[0]}")
    tab.result()
    curves = page.get_by_role("group", name="Curves")
    curves.get_by_role("button", expanded=False).click()  # those that never lead
    swatches = curves.locator("svg")
    expect(swatches).to_have_count(9)
    looks = {
        tuple(each.get_attribute(f"data-{name}") for name in ("colour", "texture")) for each in swatches.all()
    }
    assert len(looks) == 9


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_ground(browser: Browser, filled: Client, theme: str) -> None:
    with opened(browser, str(filled.base_url), color_scheme=theme) as tab:
        page = tab.open()
        names = page.locator(".scene .names span")
        expect(names).to_have_text(["😐Neutral", "😠Angry", "😢Sad", "😊Happy"])
        shown = [name.evaluate("(node) => getComputedStyle(node).borderTopColor") for name in names.all()]
        colours = {each.name: each.dark_colour if theme == "dark" else each.colour for each in EMOTIONS}
        assert shown == [rgb(colours[name]) for name in ("neutral", "angry", "sad", "happy")]


def rgb(colour: str) -> str:
    """As browsers tell it."""
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def focused(page: Page) -> str:
    """What has the focus: the id or label of it, or of what it lies in."""
    words: str = page.evaluate(
        "() => { const on = document.activeElement; return on.id || on.ariaLabel || on.innerText }"
    )
    return words.strip()


def test_the_focus_stays_where_the_reader_is(tab: Tab, filled: Client, examples: list[Path]) -> None:
    page = tab.open()
    page.set_input_files("#files", [str(path) for path in examples[:2]])
    page.wait_for_function("() => document.querySelectorAll('.chosen li').length === 2")
    page.get_by_role("button", name="Remove: ").last.press("Enter")
    page.get_by_role("button", name="Remove: ").press("Enter")  # the last: the list goes
    page.wait_for_function("() => document.activeElement.ariaLabel === 'New recording'")

    page.set_input_files("#files", str(examples[0]))
    expect(page.locator(".go")).to_be_enabled()
    page.locator(".go").press("Enter")
    assert focused(page) == "result"
    tab.result()
    assert focused(page) == "result"
    export = page.get_by_role("button", name="SRT", exact=True)
    export.press("Enter")
    expect(page.get_by_role("link", name="segments.srt")).to_be_visible()
    assert focused(page) == "SRT"
    page.get_by_role("link", name="Recordings", exact=True).press("Enter")
    name = page.get_by_role("link", name="Open").first
    expect(name).to_be_visible()
    name.press("Enter")  # the list goes with the link in it
    tab.result()
    page.wait_for_function("() => document.activeElement.tagName === 'MAIN'")


def test_on_a_phone_every_link_has_a_name(browser: Browser, filled: Client) -> None:
    with opened(browser, str(filled.base_url), viewport={"width": 360, "height": 740}) as tab:
        page = tab.open()
        expect(page.get_by_role("link", name="Emovox", exact=True)).to_be_visible()
        assert not any("link-name" in item for item in serious(page))


def test_models_are_told_in_the_reader_s_language(browser: Browser, filled: Client) -> None:
    with opened(browser, str(filled.base_url), locale="zh-CN") as tab:
        page = tab.open()
        tab.options()
        page.get_by_text("可下载").click()
        models = page.locator(".model:has(.mono)")
        expect(models).to_have_count(len(CATALOG))
        for title in models.locator("> small:first-of-type").all_inner_texts():
            assert any("\u4e00" <= letter <= "\u9fff" for letter in title), title
        expect(page.get_by_role("link", name="FunASR 模型许可证").first).to_be_visible()
        tab.shoot("models-zh-CN", whole=True)
