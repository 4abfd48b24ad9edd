"""Flags, and the two sides of a call, in the list of recordings."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from emovox.models.converted.clips import example_clips
from support.browser import Tab, axe
from support.service import Client

RATE = 16_000


@pytest.fixture(scope="module")
def filled(service: Client, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """An angry recording, another, and a call whose sides take turns."""
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.flac"))[:2]:
        assert service.post_file(path, granularity="frame", segments="true").is_success
    pause, (one, other) = np.zeros(RATE // 2, np.float32), example_clips()[:2]
    left = np.concatenate([one, pause, np.zeros_like(other)])
    right = np.concatenate([np.zeros_like(one), pause, other])
    path = tmp_path_factory.mktemp("call") / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.stack([left, right], axis=1) * 32767).astype("<i2").tobytes())
    batch = service.post(
        "/v1/batches?split_channels=true&segments=true&granularity=frame&side=customer,open",
        files=[("file", ("call.wav", path.read_bytes()))],
    ).json()
    for job in batch["jobs"]:
        service.finished(job["id"])
    return service


def test_a_flag_shows_moments_and_leads_to_them(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator(".flag")).to_have_count(0)
    page.get_by_role("button", name="Find moments…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Rule").fill("angry = 60%")
    dialog.get_by_label("Name").fill("complaint")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This rule can’t be used.")
    dialog.get_by_label("Rule").fill("愤怒 >= 60% 持续 1 秒")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog.locator("li")).to_contain_text("angry >= 60% for 1s")
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("tr .flag")).to_have_count(2)  # of the angry recording, and of the call's angry side
    tab.shoot("flags")
    page.get_by_role("button", name="complaint", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(2)
    assert "flag=complaint" in page.url
    page.evaluate(axe())
    found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.impact, one.id])")
    assert [rule for impact, rule in found if impact in {"serious", "critical"}] == []
    row = page.locator("tbody tr").filter(has_text="angry.flac")
    row.get_by_role("link", name=re.compile("complaint at 0:00")).click()
    tab.result()
    assert re.search(r"#/output/outputs_\w+\?t=0\.\d+$", page.url)
    page.go_back()
    page.get_by_role("button", name="Edit flags…").click()
    page.get_by_role("button", name="Remove: complaint").click()
    expect(page.get_by_role("dialog").locator("li")).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Done").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert filled.get("/v1/archive/flags").json()["flags"] == []


def test_a_moment_s_address_opens_the_recording_there(tab: Tab, filled: Client) -> None:
    [call] = [
        item for item in filled.get("/v1/outputs?together=true").json()["outputs"] if item["name"] == "call.wav"
    ]
    page = tab.open(f"#/output/{call['call'][1]}?t=1.5")
    tab.result()
    expect(page.locator("article.result")).to_contain_text("0:01.5 /")


def test_a_call_is_one_line_and_goes_as_one(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    row = page.locator("tbody tr").filter(has_text="call.wav")
    expect(row).to_have_count(1)
    expect(row.locator(".ribbon")).to_have_count(2)
    expect(row.locator("td.emotion")).to_have_text(re.compile("Customer: .+ · Side 2: .+"))
    row.get_by_role("checkbox").check()
    expect(page.get_by_text("1 chosen")).to_be_visible()
    tab.shoot("history-call")
    page.get_by_role("button", name="Tags", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("both")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.locator(".chip")).to_have_text(re.compile("both"))
    dialog.get_by_role("button", name="Done").click()
    expect(row.locator(".tags")).to_have_text("both")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert sum("call.wav" in line for line in lines) == 2
    assert "headline,headline_zh" in lines[0]
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)
    row.get_by_role("link", name="Open call.wav").click()
    tab.result()
    expect(page.locator("li.selected")).to_contain_text("call.wav")
