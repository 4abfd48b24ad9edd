"""Correcting segments on the page, by keys alone, and using what was said."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from emovox.models.head import names
from emovox.settings import settings
from support import browser as browsers
from support.browser import Tab
from support.service import Client, serving


def say(page: Page, key: str) -> None:
    """Say by a key what the chosen segment is, and wait until the service has it."""
    with page.expect_response(lambda answer: answer.url.endswith("/label")) as answer:
        page.keyboard.press(key)
    assert answer.value.ok


def stored(client: Client, *paths: Path) -> list[str]:
    """Ids of the outputs of recordings."""
    return [
        client.post_file(path, segments="true", granularity="frame").headers["location"].rpartition("/")[2]
        for path in paths
    ]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path / "outputs") as client:
        yield client


def test_ten_segments_are_corrected_and_used_by_keys_alone(
    browser: Browser, own: Client, minute: Path, examples: list[Path]
) -> None:
    first, *_ = stored(own, minute, examples[0])
    with browsers.tab(browser, str(own.base_url)) as tab:
        page = tab.open(f"#/output/{first}")
        tab.result()
        page.locator(".stage").first.focus()
        page.keyboard.press("]")
        expect(page.locator(".corrections .class")).to_have_count(9)
        for number in range(10):
            say(page, "1" if number % 2 else "7")
            page.keyboard.press("]")
        assert own.get("/v1/corrections").json()["counts"] == {"angry": 5, "sad": 5}
        tab.shoot("corrections")
        page.keyboard.press("t")
        expect(page.locator("dialog[open] h2")).to_have_text("Train from 10 corrections")
        tab.shoot("corrections-train")
        page.keyboard.press("Enter")
        expect(page.locator("dialog[open] [role=status]")).to_contain_text("own is trained")
        # All of them are of one recording, so there was nothing to hold out, and that is said.
        expect(page.locator("dialog[open] [role=status]")).to_contain_text("Nothing could be held out")
        tab.shoot("corrections-trained")
        page.keyboard.press("Enter")  # use it: the recording is recognised once more
        page.wait_for_selector(f"article.result:not([data-output={first}])", timeout=60_000)
        assert names() == ["own"]
        ids = [item["id"] for item in own.get("/v1/outputs").json()["outputs"]]
        assert list(own.get(f"/v1/outputs/{ids[0]}").json()["readouts"]) == ["own"]
        assert (
            len(own.get(f"/v1/outputs/{ids[0]}/corrections").json()["corrections"]) == 10
        )  # they hold of it, too


def test_a_label_is_taken_back_undone_and_given_in_ones_own_words(
    tab: Tab, service: Client, examples: list[Path]
) -> None:
    [id_] = stored(service, examples[0])
    page = tab.open(f"#/output/{id_}")
    tab.result()
    page.locator(".stage").first.focus()
    page.keyboard.press("]")
    expect(page.locator(".corrections .class")).to_have_count(9)  # they are asked for
    say(page, "4")
    chosen = page.locator(".corrections .class[aria-pressed=true]")
    expect(chosen).to_contain_text("Happy")
    expect(page.locator(".corrections [role=status]").first).to_have_text("It is Happy.")
    page.locator("details:has(table) summary").first.click()
    expect(page.locator("table tbody tr").first).to_contain_text("✓ Happy")
    page.locator(".stage").first.focus()
    say(page, "Backspace")
    expect(chosen).to_have_count(0)
    say(page, "z")
    expect(chosen).to_contain_text("Happy")
    page.keyboard.press("e")
    page.keyboard.type("relieved")
    page.keyboard.press("Enter")
    expect(chosen).to_contain_text("relieved")
    page.keyboard.press("z")
    expect(chosen).to_contain_text("Happy")
    page.reload()
    tab.result()
    expect(page.locator("table tbody tr").first).to_contain_text("✓ Happy")
    page.evaluate(browsers.axe())
    found = page.evaluate("axe.run('.timeline')")
    assert not [item["id"] for item in found["violations"]], found["violations"]


def test_one_key_leads_from_one_uncertain_segment_to_the_next_of_any_recording(
    browser: Browser, own: Client, examples: list[Path]
) -> None:
    ids = stored(own, *examples[:3])
    order = [(item["output"], item["number"]) for item in own.get("/v1/corrections/next").json()["segments"]]
    with browsers.tab(browser, str(own.base_url)) as tab:
        page = tab.open(f"#/output/{ids[0]}")
        tab.result()
        page.locator(".stage").first.focus()
        page.keyboard.press("n")
        for output, number in order[:3]:
            article = page.locator(f"article.result[data-output={output}]")
            row = article.locator("table tbody tr").nth(number)
            expect(row).to_have_class(re.compile("chosen"))
            expect(article.locator(".stage")).to_be_focused()
            say(page, "5")
            page.keyboard.press("n")


def test_what_is_too_little_is_told_and_can_be_left_out(
    browser: Browser, own: Client, examples: list[Path]
) -> None:
    ids = stored(own, *examples[:5])
    for id_, label in zip(ids, ("calm", "calm", "loud", "loud", "odd"), strict=True):
        own.put(f"/v1/outputs/{id_}/segments/0/label", json={"label": label})
    with browsers.tab(browser, str(own.base_url), locale="zh-CN") as tab:
        page = tab.open(f"#/output/{ids[0]}")
        tab.result()
        page.locator(".stage").first.focus()
        expect(page.locator(".corrections")).to_contain_text("用 5 处更正训练")
        page.keyboard.press("t")
        dialog = page.locator("dialog[open]")
        expect(dialog).to_contain_text("odd还差 1 段")
        tab.shoot("corrections-few-zh")
        expect(dialog.locator(".primary")).to_be_disabled()
        dialog.get_by_role("button", name="odd").click()
        dialog.locator(".primary").click()
        expect(dialog.locator("[role=status]")).to_contain_text("4 条录音分成 4 份依次留出")
        expect(dialog.locator("tbody tr")).to_have_count(2)
        tab.shoot("corrections-trained-zh")
        dialog.get_by_role("button", name="关闭").click()
        page.goto(f"{tab.base}/#/insights")
        heads = page.get_by_role("region", name="自己的类别")
        expect(heads).to_contain_text("依次留出 4 条录音")
        expect(heads).to_contain_text("由更正训练")
        tab.shoot("corrections-insights-zh", whole=True)
        page.evaluate(browsers.axe())
        found = page.evaluate("axe.run()")["violations"]
        assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []
        heads.get_by_role("button", name="用 5 处更正训练").click()
        expect(dialog).to_contain_text("分类头名称")
        page.keyboard.press("Escape")
        heads.get_by_role("button", name="下一段待查").click()
        # All but one have a label.
        [rest] = own.get("/v1/corrections/next").json()["segments"]
        expect(page.locator(f"article.result[data-output={rest['output']}] .stage")).to_be_focused()


def test_a_voice_of_which_nothing_may_be_inferred_cannot_be_labelled(
    browser: Browser, tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    with serving(tmp_path / "outputs") as client, browsers.tab(browser, str(client.base_url)) as tab:
        location = client.post_file(examples[0], segments="true", side="worker").headers["location"]
        page = tab.open(f"#/output/{location.rpartition('/')[2]}")
        page.wait_for_selector("article.result .stage")
        expect(page.locator(".corrections")).to_have_count(0)
