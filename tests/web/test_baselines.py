"""What is relative to a baseline, and baselines that are made of what is stored."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from emovox.baselines.baseline import Baseline, baseline_path
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from support.baselines import baseline
from support.browser import Tab, axe
from support.browser import tab as opened
from support.service import Client

WITHOUT = {"en-GB": "Without a baseline", "zh-CN": "不用基线"}


@pytest.fixture
def line3(recognizer: Recognizer) -> Baseline:
    """One of voices that sound quite different."""
    item = baseline(recognizer.metadata)
    item.write(baseline_path("line3"))
    return item


@pytest.fixture(scope="module")
def stored(service: Client, examples: list[Path]) -> list[str]:
    """The ids of the outputs of four recordings."""
    answers = [service.post_file(path) for path in examples[:4]]
    return [answer.headers["location"].rpartition("/")[2] for answer in answers]


def serious(page: Page) -> list[str]:
    page.evaluate(axe())
    page.wait_for_timeout(400)
    violations = page.evaluate("() => window.axe.run()")["violations"]
    return [item["id"] for item in violations if item["impact"] in {"serious", "critical"}]


def picture(page: Page) -> str:
    """The timeline as it is drawn."""
    page.wait_for_timeout(150)
    drawn: str = page.locator(".stage canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    return drawn


def said(recognition: Recognition) -> str:
    """What the page says of it."""
    assert recognition.summary is not None
    return " ".join("+".join(part.classes) for part in recognition.summary.arc)


def shown(page: Page) -> tuple[str | None, list[str], list[str]]:
    """The emotion, the scores and the segments as they are read."""
    page.locator("article summary", has_text=re.compile(r"\d")).first.evaluate(
        "(node) => { node.parentElement.open = true }"
    )
    for button in page.locator("button[aria-controls=scores][aria-expanded=false]").all():
        button.click()
    rows = page.get_by_role("table").locator("tbody tr").all_inner_texts()
    return (
        page.locator(".verdict").get_attribute("data-emotion"),
        page.get_by_role("region", name=re.compile("^(Scores|得分)$")).get_by_role("listitem").all_inner_texts(),
        [re.sub(r"\s+", " ", row) for row in rows],
    )


@pytest.mark.parametrize(
    ("language", "theme"), [("en-GB", "light"), pytest.param("zh-CN", "dark", marks=pytest.mark.slow)]
)
def test_a_result_has_two_sides(
    browser: Browser,
    service: Client,
    recognizer: Recognizer,
    line3: Baseline,
    minute: Path,
    language: str,
    theme: str,
) -> None:
    expected = recognizer.recognize(minute, baseline=line3, expect={"neutral": 0.2}, segments=True)
    assert expected.scores is not None
    assert expected.scores_without is not None
    raw = said(without_baseline(expected))
    assert max(expected.scores, key=expected.scores.__getitem__) != max(
        expected.scores_without, key=expected.scores_without.__getitem__
    )
    with opened(browser, str(service.base_url), locale=language, color_scheme=theme) as tab:
        page = tab.open()
        tab.options()
        page.locator("#baseline").select_option("line3")
        page.locator("summary", has_text="More options" if language == "en-GB" else "更多选项").click()
        page.get_by_role("spinbutton").fill("20")
        tab.shoot(f"baseline-options-{theme}", whole=True)
        assert serious(page) == []
        tab.choose(minute)
        assert tab.result() == said(expected)
        relative = page.get_by_role(
            "button", name="Relative to line3" if language == "en-GB" else "相对于 line3", exact=True
        )
        expect(relative).to_have_attribute("aria-pressed", "true")
        code = page.locator("pre").inner_text()
        assert "-F baseline=line3" in code
        assert "-F expect=neutral=0.2" in code
        before, drawn = shown(page), picture(page)
        confidence = f"{100 * max(expected.scores.values()):.1f} %"
        assert confidence in before[1][0]
        tab.shoot(f"baseline-relative-{theme}", whole=True)
        page.get_by_role("button", name=WITHOUT[language]).press("Enter")
        expect(page.locator(".verdict")).to_have_attribute("data-emotion", raw)
        after = shown(page)
        assert f"{100 * max(expected.scores_without.values()):.1f} %" in after[1][0]
        assert len(after[2]) == len(before[2])
        assert after[2] != before[2]
        assert picture(page) != drawn
        tab.shoot(f"baseline-without-{theme}", whole=True)
        assert serious(page) == []
        relative.click()
        expect(page.locator(".verdict")).to_have_attribute("data-emotion", said(expected))
        assert shown(page) == before
        assert picture(page) == drawn


def test_the_side_is_kept_and_without_is_what_it_would_have_been(
    tab: Tab, service: Client, line3: Baseline, minute: Path
) -> None:
    ids = []
    for options in ({"baseline": "line3"}, {}):
        answer = service.post_file(minute, granularity="frame", segments="true", **options)
        ids.append(answer.headers["location"].rpartition("/")[2])
    page = tab.open(f"#/output/{ids[0]}")
    tab.result()
    page.get_by_role("button", name="Without a baseline").click()
    without = shown(page), picture(page)
    page.goto(f"{tab.base}/#/output/{ids[1]}")
    expect(page.get_by_role("group", name="What scores are relative to")).to_have_count(0)
    tab.result()
    assert (shown(page), picture(page)) == without
    page.goto(f"{tab.base}/#/compare/{ids[0]}/{ids[1]}")
    expect(page.get_by_role("button", name="Without a baseline")).to_have_attribute("aria-pressed", "true")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Angry"))
    expect(row.get_by_role("cell").last).to_have_text("0.0 %")
    page.get_by_role("button", name="Relative to line3", exact=True).click()
    expect(page.locator("li .chip", has_text="Relative to line3")).to_have_count(1)
    expect(row.get_by_role("cell").last).not_to_have_text("0.0 %")
    tab.shoot("baseline-comparison", whole=True)
    page.goto(f"{tab.base}/#/history")
    row = page.locator("tr", has=page.locator(f"a[href='#/output/{ids[0]}']"))
    expect(row.locator(".emotion")).to_be_visible()
    tab.shoot("baseline-history")
    page.get_by_role("button", name="Without a baseline").click()
    without = service.get(f"/v1/outputs/{ids[0]}").json()["summary_without"]["headline"]["en"]
    expect(row.locator("td.emotion")).to_contain_text(without, ignore_case=True)


def test_relative_to_itself(tab: Tab, minute: Path, angry: Path) -> None:
    page = tab.open()
    tab.options()
    page.locator("#baseline").select_option("self")
    expect(page.get_by_text("eight segments or more")).to_be_visible()
    tab.choose(minute)
    tab.result()
    expect(page.get_by_role("button", name="Relative to this voice", exact=True)).to_be_visible()
    expect(page.get_by_text("the whole is always average for itself")).to_be_visible()
    before, drawn = shown(page), picture(page)
    tab.shoot("baseline-self", whole=True)
    page.get_by_role("button", name="Without a baseline").click()
    expect(page.get_by_text("the whole is always average for itself")).to_have_count(0)
    after = shown(page)
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert picture(page) != drawn
    tab.choose(angry)
    expect(page.get_by_text("Too little speech for scores relative to itself")).to_be_visible()
    expect(page.get_by_role("group", name="What scores are relative to")).to_have_count(0)


def test_one_of_a_model_that_is_not_here_cannot_be_chosen(
    tab: Tab, recognizer: Recognizer, line3: Baseline
) -> None:
    far = recognizer.metadata.model_copy(update={"name": "emotion2vec_plus_large"})
    baseline(far).write(baseline_path("far"))
    page = tab.open()
    expect(page.locator("#baseline option[value=far]")).to_be_disabled()
    expect(page.locator("#baseline option[value=line3]")).to_be_enabled()


@pytest.mark.parametrize(
    ("language", "theme", "make"),
    [
        ("en-GB", "light", "Make a baseline of these"),
        pytest.param("zh-CN", "dark", "用所选录音建立基线", marks=pytest.mark.slow),
    ],
)
def test_one_is_made_of_what_is_stored(
    browser: Browser,
    service: Client,
    stored: list[str],
    line3: Baseline,
    examples: list[Path],
    language: str,
    theme: str,
    make: str,
) -> None:
    again = service.post_file(examples[0], name="again").headers["location"].rpartition("/")[2]
    with opened(browser, str(service.base_url), locale=language, color_scheme=theme) as tab:
        page = tab.open("#/history")
        for id_ in (*stored[:3], again):
            page.locator("tr", has=page.locator(f"a[href='#/output/{id_}']")).get_by_role("checkbox").check()
        page.get_by_role("button", name=make).click()
        dialog = page.get_by_role("dialog")
        assert serious(page) == []
        name = dialog.get_by_role("textbox")
        name.fill("../x")
        name.press("Enter")
        assert not name.evaluate("(node) => node.validity.valid")
        name.fill("self")
        name.press("Enter")
        expect(dialog.get_by_role("alert")).to_be_visible()
        name.fill("line3")
        name.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("line3")
        tab.shoot(f"baseline-exists-{theme}")
        assert serious(page) == []
        assert Baseline.find("line3").checksum == line3.checksum
        name.fill("班里 room 2")
        name.press("Enter")
        expect(dialog.get_by_role("status")).to_contain_text("班里 room 2")
        expect(dialog).to_contain_text("3 recordings" if language == "en-GB" else "3 条录音")
        expect(dialog).to_contain_text("1 of those chosen" if language == "en-GB" else "有 1 个与其他录音相同")
        tab.shoot(f"baseline-made-{theme}")
        assert serious(page) == []
        dialog.get_by_role("button").last.click()
        assert Baseline.find("班里 room 2").count == 3
        page.goto(f"{tab.base}/#/insights")
        rows = page.locator("main details li")
        expect(rows).to_have_count(2)
        tab.shoot(f"baseline-list-{theme}", whole=True)
        assert serious(page) == []
        rows.filter(has_text="line3").get_by_role("button").click()
        expect(dialog).to_contain_text("line3")
        dialog.get_by_role("button").last.click()
        expect(rows).to_have_count(1)
        page.goto(f"{tab.base}/#/")
        expect(page.locator("#baseline option")).to_have_count(3)  # none, itself, and the new one


def test_one_can_be_replaced(tab: Tab, stored: list[str], line3: Baseline) -> None:
    page = tab.open("#/history")
    page.get_by_role("button", name="Choose all").click()
    expect(page.get_by_role("button", name="Choose none")).to_be_visible()
    page.get_by_role("button", name="Make a baseline of these").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("line3")
    dialog.get_by_label("Whose voice it is").select_option("customer")
    dialog.get_by_role("button", name="Make").click()
    dialog.get_by_role("button", name="Replace it").click()
    expect(dialog.get_by_role("status")).to_contain_text("line3 is made of")
    assert Baseline.find("line3").checksum != line3.checksum
    assert Baseline.find("line3").side == "customer"
    page.goto(f"{tab.base}/#/insights")
    expect(page.locator("main details li").first.locator(".chip")).to_have_text("Customer")


def test_who_is_deleted_is_taken_out_of_baselines(tab: Tab, service: Client, examples: list[Path]) -> None:
    ids = [service.post_file(path).headers["location"].rpartition("/")[2] for path in examples[4:7]]
    for name, outputs in (("three", ids), ("two", ids[:2])):
        assert service.post("/v1/baselines", json={"name": name, "outputs": outputs}).is_success
    page = tab.open(f"#/output/{ids[0]}")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("may have: three, two.")
    assert serious(page) == []
    tab.shoot("baseline-deletion")
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_text("three was fitted again: it has 2 recordings.")).to_be_visible()
    expect(page.get_by_text("two was fitted again: it has 1 recording.")).to_be_visible()
    tab.shoot("baseline-deleted")
    page.locator("tr", has=page.locator(f"a[href='#/output/{ids[1]}']")).get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("checkbox", name="Fit them again without").uncheck()
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_text("three still has 1 of the deleted recordings in it")).to_be_visible()
    assert Baseline.find("three").count == 2
    assert serious(page) == []


def test_live(tab: Tab, line3: Baseline, service: Client) -> None:
    page = tab.open()
    tab.options()
    page.locator("#baseline").select_option("line3")
    tab.done()
    page.get_by_role("button", name="Record", exact=True).click()
    live = page.get_by_role("region", name="Recording", exact=True)
    expect(live.get_by_role("button", name="Relative to line3", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(live.locator(".name")).not_to_contain_text("…")
    tab.shoot("baseline-live")
    page.get_by_role("button", name="Stop").click()
    tab.result()
    output = page.locator("article.result").get_attribute("data-output")
    result = service.get(f"/v1/outputs/{output}/files/result.json").json()
    assert result["baseline"]["name"] == "line3"
    expect(page.get_by_role("button", name="Relative to line3", exact=True)).to_be_visible()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_long_names_do_not_stick_out(
    browser: Browser, service: Client, line3: Baseline, minute: Path, language: str
) -> None:
    name = "x" * 120
    line3.model_copy(update={"name": name}).write(baseline_path(name))
    answer = service.post_file(minute, segments="true", baseline=name)
    assert answer.json()["baseline"]["name"] == name
    output = answer.headers["location"].rpartition("/")[2]
    size = {"width": 360, "height": 800}
    with opened(browser, str(service.base_url), viewport=size, locale=language) as tab:
        page = tab.open()
        tab.options()
        page.locator("#baseline").select_option(name)
        for route in ("#/", "#/history", f"#/output/{output}", f"#/compare/{output}/{output}"):
            page.goto(f"{tab.base}/{route}")
            page.wait_for_timeout(500)
            for details in page.locator("main details").all():
                details.evaluate("(node) => { node.open = true }")
            assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 360, route
            tab.shoot(f"baseline-360-{language}-{route.split('/')[1] or 'start'}", whole=True)


def test_again_relative_to_the_recording_itself(tab: Tab, service: Client, angry: Path) -> None:
    output = service.post_file(angry, segments="true").headers["location"].rpartition("/")[2]
    page = tab.open(f"#/output/{output}")
    tab.result()
    page.get_by_label("Again, relative to").select_option("self")
    page.get_by_role("button", name="Recognise again").click()
    expect(page).to_have_url(re.compile(r"#/$"))
    tab.result()
    expect(page.locator(".notice", has_text="too little speech").first).to_be_visible()
