"""The microphone: what was said is stored, or stays in the tab, and the page says which."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Dialog, Page, WebSocketRoute, expect

from support import snapshots
from support.browser import Tab
from support.browser import tab as opened
from support.service import Client, ServiceProcess, serving

RECORD = {"en-GB": "Record", "zh-CN": "录音"}
LIVE = {"en-GB": "Recording", "zh-CN": "正在录音"}
STOP = {"en-GB": "Stop", "zh-CN": "停止"}


def record(page: Page, seconds: float, name: str = "Record") -> None:
    """Press 'Record', and wait until so much sound was taken."""
    page.get_by_role("button", name=name, exact=True).click()
    clock = page.locator(".live .row .numbers")
    for _ in range(600):
        minutes, rest = clock.inner_text().split(":")
        if 60 * int(minutes) + int(rest) >= seconds:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the clock stands")


def questions(page: Page) -> list[str]:
    """The kinds of the questions that the browser puts from now on; each is answered with no."""
    asked: list[str] = []

    def no(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", no)
    return asked


def test_an_ordinary_recording_ends_without_an_alert(tab: Tab, service: Client) -> None:
    page = tab.open()
    for number in range(1, 3):
        record(page, 2)
        page.get_by_role("region", name="Recording", exact=True).get_by_role("button", name="Stop").click()
        tab.result()
        expect(page.get_by_role("button", name="Record", exact=True)).to_be_enabled()
        page.wait_for_timeout(300)  # the connection closes after the last word
        expect(page.get_by_role("alert")).to_have_count(0)
        assert len(service.get("/v1/outputs").json()["outputs"]) == number
    # As it is safe, nobody is asked whether the tab may be closed.
    asked = questions(page)
    page.evaluate("() => location.reload()")
    page.wait_for_selector("main section")
    assert asked == []


@pytest.mark.parametrize(
    ("language", "words", "again", "saving"),
    [
        ("en-GB", "may not be stored", "Send it again", "Save as WAV"),
        pytest.param("zh-CN", "可能没有保存", "重新发送", "另存为 WAV", marks=pytest.mark.slow),
    ],
)
def test_a_loss_is_told_and_nothing_is_lost(
    browser: Browser, tmp_path: Path, language: str, words: str, again: str, saving: str
) -> None:
    first = ServiceProcess(tmp_path / "outputs")
    first.wait_until_ready()
    port = first.client.base_url.port
    assert port is not None
    with opened(browser, f"http://127.0.0.1:{port}", locale=language) as tab:
        page = tab.open()
        record(page, 3, RECORD[language])
        first.end(kill=True)
        live = page.get_by_role("region", name=LIVE[language], exact=True)
        expect(live.get_by_role("alert")).to_be_visible()
        tab.shoot(f"live-alone-{language}")
        page.wait_for_timeout(1500)  # nobody need stop speaking
        live.get_by_role("button", name=STOP[language]).click()
        alert = page.get_by_role("alert").filter(has_text=words)
        expect(alert).to_be_visible()
        tab.shoot(f"unsaved-{language}")
        with page.expect_download() as download:
            alert.get_by_role("button", name=saving).click()
        with wave.open(str(download.value.path())) as file:
            assert file.getnframes() / file.getframerate() > 3.9  # what came after the service had gone, too
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert np.abs(sound).max() > 1000  # it is what was said
        asked = questions(page)
        page.evaluate("() => location.reload()")  # which would lose it: the page asks
        expect(alert).to_be_visible()
        assert asked == ["beforeunload"]

        second = ServiceProcess(tmp_path / "outputs", port=port)
        try:
            alert.get_by_role("button", name=again).click()
            tab.result()
            expect(page.get_by_role("alert")).to_have_count(0)
            [output] = second.client.get("/v1/outputs").json()["outputs"]
            assert output["duration"] == pytest.approx(len(sound) / file.getframerate(), abs=0.01)
        finally:
            page.goto("about:blank")
            second.end()
        tab.faults = [fault for fault in tab.faults if "about:blank" not in fault and "WebSocket" not in fault]


def test_a_recording_that_the_service_ends(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", max_duration=3) as client, opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.get_by_role("alert").filter(has_text="ended the recording by itself")).to_be_visible()
        tab.result()  # of what came until then
        alert = page.get_by_role("alert").filter(has_text="may not be stored")
        expect(alert).to_be_visible()
        alert.get_by_role("button", name="Discard").click()
        expect(alert).to_be_hidden()


def test_where_browsers_have_no_microphone_to_give(tab: Tab) -> None:
    tab.page.add_init_script("delete Navigator.prototype.mediaDevices")  # as on pages that came over plain http
    page = tab.open()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_disabled()
    expect(page.get_by_text("only over https or on localhost")).to_be_visible()


def test_a_model_without_emotions_has_nothing_to_tell_live(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    snapshots.write(tmp_path / "cache" / "snapshots" / "emotion2vec_base", tokens=())
    with serving(tmp_path / "outputs") as client, opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        button = page.get_by_role("button", name="Record", exact=True)
        expect(button).to_be_enabled()
        tab.options()
        page.get_by_role("radio", name="emotion2vec_base").check()
        expect(page.get_by_text("embeddings only, and no emotion")).to_be_visible()
        tab.done()
        expect(button).to_be_disabled()
        expect(page.get_by_text("to record, choose another")).to_be_visible()
        tab.shoot("embeddings-only", whole=True)


def test_sound_that_the_network_is_too_slow_for(tab: Tab) -> None:
    slow = "Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => window.stuck ? 3e7 : 0 })"
    tab.page.add_init_script(slow)
    page = tab.open()
    record(page, 2)
    page.evaluate("() => { window.stuck = true }")
    expect(page.get_by_role("alert").filter(has_text="has gaps")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    tab.result()
    alert = page.get_by_role("alert").filter(has_text="may not be stored, or not all of it")
    expect(alert).to_contain_text("has gaps")
    expect(alert.get_by_role("button", name="Send it again")).to_be_visible()


def test_while_the_service_takes_its_time_the_recording_can_be_saved(tab: Tab, service: Client) -> None:
    held: list[str | bytes] = []

    def hold_the_last_word(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if '"ended"' in str(message):
                held.append(message)
            else:
                route.send(message)

        server.on_message(pass_on)
        server.on_close(lambda code, reason: None)

    tab.page.route_web_socket(re.compile("/v1/live"), hold_the_last_word)
    page = tab.open()
    record(page, 2)
    live = page.get_by_role("region", name="Recording", exact=True)
    expect(live.get_by_role("button", name="Save as WAV")).to_have_count(0)
    live.get_by_role("button", name="Stop").click()
    with page.expect_download() as download:
        live.get_by_role("button", name="Save as WAV").click()
    assert download.value.suggested_filename.endswith(".wav")
    assert download.value.path().stat().st_size > 100_000
