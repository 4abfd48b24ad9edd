"""What was stored: finding it, comparing two, deleting."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.browser import Tab, axe
from support.browser import tab as opened
from support.service import Client, ServiceProcess
from support.waiting import until


@pytest.fixture(scope="module")
def filled(service: Client) -> Client:
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.flac"))
    for path in examples:
        assert service.post_file(path, granularity="frame", segments="true").is_success
    return service


def test_search_by_name_emotion_and_time(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(7)
    expect(page.locator(".ribbon")).to_have_count(7)
    expect(page.locator(".ribbon .whole")).to_have_count(0)  # each has its segments
    tab.shoot("history")
    page.get_by_role("searchbox", name="Name").fill("SAD")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("combobox", name="Emotion").select_option("angry")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("angry.flac")
    page.get_by_role("button", name="Reset").click()
    today = datetime.now().astimezone().date()
    page.get_by_label("From").fill((today + timedelta(days=1)).isoformat())
    expect(page.get_by_text("Nothing matches this search.")).to_be_visible()
    page.get_by_label("From").fill(today.isoformat())
    page.get_by_label("To", exact=True).fill(today.isoformat())
    expect(rows).to_have_count(7)


def test_a_search_is_kept_while_a_result_is_looked_at(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    page.get_by_role("searchbox", name="Name").fill("sad")
    page.get_by_role("checkbox", name="sad.flac").check()
    page.get_by_role("link", name="Open").filter(has_text="sad.flac").click()
    tab.result()
    page.go_back()
    expect(page.get_by_role("searchbox", name="Name")).to_have_value("sad")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_text("1 chosen")).to_be_visible()


def test_a_file_dropped_on_the_history(tab: Tab, filled: Client, angry: Path) -> None:
    page = tab.open("#/history")
    tab.drop((angry.name, angry.read_bytes()), on="main")
    expect(page.get_by_text("1 recording,")).to_be_visible()
    expect(page.get_by_role("button", name="Recognise", exact=True)).to_be_enabled()


def test_several_on_one_axis(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    for name in ("sad.flac", "angry.flac", "neutral.flac"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("link", name="Compare").click()
    lanes = page.locator(".stage")
    expect(lanes).to_have_count(3)
    letters = page.locator(".letter")
    expect(letters).to_have_text(["A", "B", "C"])
    expect(letters.first).to_have_attribute("aria-pressed", "true")
    differs = page.get_by_role("region", name="What differs")
    expect(differs).to_contain_text(
        re.compile(r"Sad leads in 100 % of the speech of [ABC], and in 0 % of [ABC]\.")
    )
    # One cursor for all; who is heard changes at the same second.
    lanes.nth(1).click(position={"x": 40, "y": 80})
    expect(letters.nth(1)).to_have_attribute("aria-pressed", "true")
    time = lanes.first.get_attribute("aria-valuenow")
    assert time not in {None, "0"}
    assert [lane.get_attribute("aria-valuenow") for lane in lanes.all()] == [time] * 3
    page.keyboard.press("a")
    expect(letters.first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("x")
    page.keyboard.press("x")
    expect(letters.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(lanes.first).to_have_attribute("aria-valuenow", str(time))
    page.keyboard.press("ArrowRight")
    expect(lanes.first).not_to_have_attribute("aria-valuenow", str(time))
    # And one view: by key wherever the focus is, by the wheel over any of them.
    whole = tab.view()
    page.get_by_role("heading", name="Comparison").click()
    page.keyboard.press("+")
    closer = tab.view()
    assert closer[1] - closer[0] < whole[1] - whole[0]
    lanes.nth(2).hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    views = [(lane.get_attribute("data-start"), lane.get_attribute("data-end")) for lane in lanes.all()]
    assert len(set(views)) == 1
    assert tab.view()[1] - tab.view()[0] < closer[1] - closer[0]
    page.get_by_role("button", name="Show all").click()
    assert tab.view() == whole
    # Each is drawn in colour, as its own timeline is.
    colours = (
        "(canvas) => new Set(new Uint32Array("
        "canvas.getContext('2d').getImageData(0, 0, 400, 80).data.buffer)).size"
    )
    for lane in lanes.all():
        assert lane.locator("canvas").first.evaluate(colours) > 20
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("a")  # goes on, with another
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    tab.shoot("comparison-three", whole=True)
    found = page.evaluate(axe() + "; axe.run().then((run) => run.violations.map((one) => [one.impact, one.id]))")
    assert [rule for impact, rule in found if impact in {"serious", "critical"}] == []


def test_two_by_their_numbers(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    page.get_by_role("checkbox", name="sad.flac").check()
    page.get_by_role("checkbox", name="angry.flac").check()
    page.get_by_role("link", name="Compare").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Angry"))
    before = row.get_by_role("cell").last.inner_text()
    assert before.startswith("+")
    tab.shoot("comparison", whole=True)
    page.get_by_role("link", name="Swap").click()
    expect(row.get_by_role("cell").last).to_have_text(before.replace("+", "−"))


def test_deleting_can_be_undone(tab: Tab, filled: Client, angry: Path) -> None:
    assert filled.post_file(angry, name="doomed").is_success
    page = tab.open("#/history")
    expect(page.get_by_role("link", name="Open doomed")).to_be_visible()
    count = page.locator("tbody tr").count()
    page.get_by_role("checkbox", name="doomed").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(count - 1)
    assert "doomed" in stored(filled)  # for ten seconds
    tab.shoot("history-undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tbody tr")).to_have_count(count)
    page.get_by_role("checkbox", name="doomed").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    until(lambda: "doomed" not in stored(filled))


def test_what_is_deleted_stays_deleted_where_the_page_goes(tab: Tab, filled: Client, angry: Path) -> None:
    assert filled.post_file(angry, name="doomed, too").is_success
    page = tab.open("#/history")
    page.get_by_role("checkbox", name="doomed, too").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.goto(f"{tab.base}/docs")
    until(lambda: "doomed, too" not in stored(filled))


def stored(client: Client) -> list[str]:
    return [item["name"] for item in client.get("/v1/outputs").json()["outputs"]]


def test_a_search_is_in_the_address(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history?emotion=sad&sort=-confidence")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("columnheader", name="Confidence")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Reset").click()
    expect(rows).not_to_have_count(1)
    assert page.url.endswith("#/history?sort=-confidence")
    shares = [float(text.split()[0]) for text in page.locator("td.confidence").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)


def test_tags(tab: Tab, filled: Client) -> None:
    page = tab.open("#/history")
    for name in ("sad.flac", "angry.flac"):
        page.get_by_role("checkbox", name=name).first.check()
    page.get_by_role("button", name="Tags", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("complaint")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.locator(".chip")).to_have_text(re.compile("complaint"))
    dialog.get_by_role("button", name="Done").click()
    page.locator("td.name .chip").first.click()
    expect(page.locator("tbody tr")).to_have_count(2)
    assert "tag=complaint" in page.url
    tab.shoot("history-tags")
    page.get_by_role("button", name="Tags", exact=True).click()
    dialog.get_by_role("button", name="Remove: complaint").click()
    expect(dialog.locator(".chip")).to_have_count(0)
    assert not any(item.get("tags") for item in filled.get("/v1/outputs").json()["outputs"])


def test_a_result_that_is_gone(tab: Tab, filled: Client) -> None:
    page = tab.open("#/output/outputs_19990101_000000")
    expect(page.get_by_role("alert")).to_contain_text("may have been deleted")


def test_two_with_one_emotion_needn_t_sound_the_same(tab: Tab, filled: Client, angry: Path) -> None:
    assert filled.post_file(angry, name="again", speech_only="true", segments="true").is_success
    [one, other] = [
        next(item["id"] for item in filled.get("/v1/outputs", params={"name": name}).json()["outputs"])
        for name in ("angry", "again")
    ]
    page = tab.open(f"#/compare/{one}/{other}")
    expect(page.get_by_text("By their speech they are alike")).to_be_visible()
    tab.shoot("comparison-same", whole=True)


def test_a_service_that_is_away_says_nothing_of_what_is_stored(
    browser: Browser, tmp_path: Path, angry: Path
) -> None:
    first = ServiceProcess(tmp_path / "outputs")
    first.wait_until_ready()
    port = first.client.base_url.port
    assert port is not None
    assert first.client.post_file(angry).is_success
    with opened(browser, f"http://127.0.0.1:{port}") as tab:
        page = tab.open()
        expect(page.get_by_role("button", name="Try an example")).to_be_enabled()
        first.end()
        page.get_by_role("link", name="Recordings", exact=True).click()
        expect(page.get_by_text("The service can’t be reached.").first).to_be_visible()
        page.wait_for_timeout(500)
        expect(page.get_by_text("Nothing is stored")).to_have_count(0)
        tab.shoot("history-away")
        second = ServiceProcess(tmp_path / "outputs", port=port)
        try:
            expect(page.locator("tbody tr")).to_have_count(1)  # by itself
        finally:
            page.goto("about:blank")
            second.end()
        tab.faults = [fault for fault in tab.faults if "about:blank" not in fault]
