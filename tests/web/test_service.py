"""When the service has something to say: it goes and comes back, is full, wants a key, downloads a model."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from emovox.models.hub import pull as hub_module
from emovox.server import submission as accepting
from emovox.server.http import problems
from support.browser import Tab
from support.browser import tab as opened
from support.hub import Fault, Hub
from support.pulls import HASTY, NAME
from support.service import ServiceProcess, serving


def test_it_goes_away_and_comes_back(browser: Browser, tmp_path: Path, angry: Path) -> None:
    first = ServiceProcess(tmp_path / "outputs")
    first.wait_until_ready()
    port = first.client.base_url.port
    assert port is not None
    with opened(browser, f"http://127.0.0.1:{port}") as tab:
        page = tab.open()
        expect(page.get_by_role("button", name="Try an example")).to_be_enabled()
        first.end()
        tab.choose(angry)
        expect(page.get_by_text("The service can’t be reached")).to_be_visible()
        tab.shoot("gone")
        second = ServiceProcess(tmp_path / "outputs", port=port)
        try:
            assert tab.result() == "angry"
            expect(page.get_by_text("The service can’t be reached")).to_be_hidden()
        finally:
            page.goto("about:blank")
            second.end()
        tab.faults = [fault for fault in tab.faults if "about:blank" not in fault]


def test_a_full_service_is_asked_again(
    browser: Browser, tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "busy", lambda seconds: problems.busy(1))  # it would say a minute
    with wave.open(str(long := tmp_path / "long.wav"), "wb") as file:  # takes seconds, while the others come
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(0).bytes(2 * 16_000 * 300))
    with serving(tmp_path / "outputs", max_jobs=1) as client, opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        tab.choose(long, *examples)
        queue = page.get_by_role("region", name="Recordings", exact=True)
        expect(queue.locator("li[data-state=held]").first).to_be_visible()
        tab.shoot("full")
        expect(queue.get_by_text("8 of 8 finished")).to_be_visible(timeout=60_000)
        expect(queue.get_by_text("failed")).to_have_count(0)


def test_a_key_is_asked_for(browser: Browser, tmp_path: Path, angry: Path) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        key = client.service.keys.add("a browser's")
        with opened(browser, str(client.base_url)) as tab:
            page = tab.page
            page.goto(str(client.base_url))
            dialog = page.get_by_role("dialog")
            expect(dialog).to_contain_text("API key")
            tab.shoot("key")
            dialog.get_by_label("API key").fill("emovox_wrong_key")
            dialog.get_by_role("button", name="Continue").click()
            expect(dialog.get_by_role("alert")).to_contain_text("doesn’t know this key")
            dialog.get_by_label("API key").fill(key)
            dialog.get_by_role("button", name="Continue").click()
            expect(dialog).to_be_hidden()
            page.get_by_role("button", name="Angry: one sentence").click()
            assert tab.result() == "angry"
            assert "Authorization: Bearer KEY" in page.locator("pre").inner_text()
            expect(page.get_by_text("Put your API key in the place of KEY.")).to_be_visible()
            page.get_by_role("button", name="Play", exact=True).click()  # the sound needs it too
            expect(page.get_by_role("button", name="Pause")).to_be_visible()
            page.get_by_role("button", name="Forget the key").click()
            expect(page.get_by_role("dialog")).to_be_visible()


def test_a_download_fails_and_then_doesn_t(tab: Tab, served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = replace(HASTY, attempts=1)
    real = hub_module.pull
    monkeypatch.setattr(hub_module, "pull", lambda *given, **options: real(*given, **options, patience=patience))
    served.always["model.pt"] = Fault(cut=200_000)
    page = tab.open()
    tab.options()
    page.get_by_text("To download").click()
    model = page.get_by_role("listitem").filter(has_text=NAME)
    expect(model).to_contain_text("1.95 GB")
    expect(model.get_by_role("link", name="FunASR model licence")).to_be_visible()
    model.get_by_role("button", name="Download").click()
    alert = model.get_by_role("alert")
    expect(alert).to_contain_text("what is there already is kept")
    tab.shoot("download-failed")
    served.always["model.pt"] = Fault()
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("radio", name=NAME)).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="is installed")).to_have_count(1)


def test_nothing_is_offered_for_download_offline(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", offline=True) as client, opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        tab.options()
        page.get_by_text("To download").click()
        model = page.get_by_role("listitem").filter(has_text=NAME)
        expect(model).to_contain_text("may not go online (EMOVOX_OFFLINE)")
        expect(page.get_by_role("button", name="Download")).to_have_count(0)
