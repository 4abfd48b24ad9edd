"""A browser that looks at the page, and notes what no page may do."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from emovox.server.routes.page import BUILT

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "tests" / "web" / "screenshots"  # ignored by git
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"

Store = Callable[..., str]  # of the fixture `store`

_DROP = """([selector, files]) => {
    const transfer = new DataTransfer()
    for (const [name, data] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name))
    }
    const target = document.querySelector(selector)
    for (const kind of ['dragover', 'drop']) {
        target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }))
    }
}"""


def chromium() -> str:
    """Where the browser is; skips the test where there is none, which CI doesn't accept."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        _missing("needs Debian's chromium (apt-get install chromium)")
    if not (BUILT / "index.html").is_file():
        _missing("needs the built page (npm ci --prefix web; npm run build --prefix web)")
    return str(found)


def axe() -> str:
    """The source of axe-core."""
    if not AXE.is_file():
        _missing("needs axe-core (npm ci --prefix web)")
    return AXE.read_text(encoding="utf-8")


@contextmanager
def browsing(microphone: Path) -> Iterator[Browser]:
    """A browser without a screen; its microphone plays a file, over and over."""
    place = chromium()
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A tab with the page of one service.

    Attributes:
        page: Playwright's.
        faults: what the page should not have done: errors in its console, requests to others.
        received: bytes of each answer's body as it was transferred, by path.
    """

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base.rstrip("/")
        self.faults: list[str] = []
        self.received: dict[str, int] = {}
        page.set_default_timeout(20_000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("requestfinished", self._finished)

    def open(self, route: str = "") -> Page:
        """Go to a view, and wait until the page knows the service."""
        self.page.goto(f"{self.base}/{route}")
        self.page.wait_for_selector("main section, main article")
        return self.page

    def options(self) -> None:
        """Open the drawer of options and models."""
        self.page.locator("header .switches button").first.click()
        self.page.wait_for_selector("dialog.drawer[open]")

    def done(self) -> None:
        """Close the drawer, if it is open."""
        if self.page.locator("dialog.drawer[open]").count():
            self.page.keyboard.press("Escape")
            self.page.wait_for_selector("dialog.drawer[open]", state="detached")

    def choose(self, *files: Path) -> None:
        """Choose files and press 'Recognise'."""
        self.done()
        self.page.set_input_files("#files", [str(file) for file in files])
        self.page.locator(".go").click()

    def drop(self, *files: tuple[str, bytes], on: str = ".drop") -> None:
        """Drop files on a part of the page."""
        import base64  # noqa: PLC0415  only here

        given = [[name, base64.b64encode(data).decode()] for name, data in files]
        self.page.evaluate(_DROP, [on, given])

    def result(self) -> str:
        """What the result says, once it is there with its timeline: an emotion, or those of an arc."""
        self.page.wait_for_selector("article.result .stage", timeout=60_000)
        self.page.wait_for_selector(".loading", state="detached")
        emotion = self.page.locator(".verdict").first.get_attribute("data-emotion")
        assert emotion is not None
        return emotion

    def unfold(self) -> None:
        """Show all scores of the result."""
        for button in self.page.locator("button[aria-controls=scores][aria-expanded=false]").all():
            button.click()

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot for people."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)

    def view(self) -> tuple[float, float]:
        """The part of the recording that the timeline shows, seconds."""
        stage = self.page.locator(".stage").first
        return float(stage.get_attribute("data-start") or ""), float(stage.get_attribute("data-end") or "")

    def _console(self, message: ConsoleMessage) -> None:
        # A status of 400 and more is told of in the console; whether it is right is for the tests.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"blob", "data"} and f"{address.scheme}://{address.netloc}" != self.base:
            self.faults.append(f"request: {request.url}")

    def _finished(self, request: Request) -> None:
        try:
            sizes = request.sizes()
        except Error:
            return
        self.received[urlsplit(request.url).path] = sizes["responseBodySize"] + sizes["responseHeadersSize"]


@contextmanager
def tab(browser: Browser, base: str, **options: Any) -> Iterator[Tab]:
    """A tab of its own: no cookies, nothing stored; English, light and wide unless said otherwise."""
    chosen = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", "color_scheme": "light", **options}
    context = browser.new_context(**chosen, permissions=["microphone"], service_workers="block")
    try:
        opened = Tab(context.new_page(), base)
        yield opened
        assert not opened.faults, opened.faults
    finally:
        context.close()


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
