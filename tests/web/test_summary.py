"""The card: what the speech of a recording comes to."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from support import results
from support.browser import Store, Tab, axe
from support.browser import tab as opened
from support.service import Client

CALL = [
    *results.run(0, 72),
    *results.run(72, 100, "angry"),
    *results.run(100, 120, unsure=True),
    *results.run(120, 156),
]


def serious(page: Page) -> list[str]:
    page.evaluate(axe())
    page.wait_for_timeout(400)
    violations = page.evaluate("() => window.axe.run()")["violations"]
    return [item["id"] for item in violations if item["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("en-GB", "light", 1440), ("zh-CN", "dark", 1280), ("en-GB", "dark", 390)]
)
def test_an_arc_says_what_the_service_says(
    browser: Browser, service: Client, store: Store, language: str, theme: str, width: int
) -> None:
    output = store(*CALL)
    summary = service.get(f"/v1/outputs/{output}").json()["summary"]
    viewport = {"width": width, "height": 800}
    with opened(browser, str(service.base_url), locale=language, color_scheme=theme, viewport=viewport) as tab:
        page = tab.open(f"#/output/{output}")
        assert tab.result() == "neutral angry  neutral"
        card = page.locator(".verdict")
        expect(card.locator(".sentence")).to_have_text(summary["sentence"][language[:2]])
        parts = card.locator(".part")
        told = summary["headline"][language[:2]].split(" → ")
        shown = [text.replace("\u00a0", " ") for text in parts.all_inner_texts()]
        assert len(shown) == len(told) == 4
        assert all(text.endswith(part) for text, part in zip(shown, told, strict=True))
        expect(parts.nth(2)).to_have_class(re.compile("doubt"))
        height = page.locator("article header").bounding_box()
        assert height is not None
        assert height["height"] < (165 if width > 1000 else 400)
        assert serious(page) == []
        tab.shoot(f"summary-{width}")


def test_its_parts_and_peaks_are_links_into_the_recording(tab: Tab, store: Store) -> None:
    page = tab.open(f"#/output/{store(*CALL)}")
    tab.result()
    stage = page.locator(".stage")
    page.get_by_role("button", name="angry 1:12: go to 1:12").press("Enter")
    expect(stage).to_have_attribute("aria-valuenow", "72")
    shares = page.get_by_role("list", name="Shares of the speech")
    shares.get_by_role("button", name="Angry is highest at 1:12").click()
    expect(stage).to_have_attribute("aria-valuenow", "72")
    page.get_by_role("button", name="neutral 2:00: go to 2:00").click()
    expect(stage).to_have_attribute("aria-valuenow", "120")
    expect(stage).to_be_in_viewport()


def test_shares_are_of_the_speech(tab: Tab, store: Store) -> None:
    page = tab.open(
        f"#/output/{store(*results.run(0, 12), *results.run(12, 16, 'angry'), *results.run(16, 20, unsure=True))}"
    )
    tab.result()
    shares = page.get_by_role("list", name="Shares of the speech").get_by_role("listitem")
    expect(shares).to_have_text(["Neutral 60 %", "Angry 20 %", "Unsure 20 %"])


def test_unsure_is_grey_and_needs_no_warning(tab: Tab, store: Store) -> None:
    page = tab.open(f"#/output/{store(*results.run(0, 8, 'angry', unsure=True), warnings=['unsure'])}")
    assert tab.result() == ""
    headline = page.locator(".headline")
    expect(headline).to_have_text("Unsure", ignore_case=True)
    faint = page.locator("article header p.faint").evaluate("(one) => getComputedStyle(one).color")
    assert headline.locator("strong").evaluate("(one) => getComputedStyle(one).color") == faint
    expect(page.locator("article .notice")).to_have_count(0)


def test_a_tie_names_both(tab: Tab, store: Store) -> None:
    page = tab.open(f"#/output/{store(*results.run(0, 8, 'angry'), *results.run(8, 16, 'sad'))}")
    assert tab.result() == "angry+sad"
    expect(page.locator(".headline")).to_contain_text("angry and sad", ignore_case=True)


def test_what_has_no_segments_is_recognised_again_with_them(tab: Tab, store: Store, service: Client) -> None:
    output = store(duration=3.0)
    page = tab.open(f"#/output/{output}")
    assert tab.result() == "happy"  # of the five fields
    page.get_by_role("button", name="Again, with segments and curve").first.click()
    expect(page).to_have_url(f"{tab.base}/#/")
    page.wait_for_selector("article.result .stage")
    assert page.locator("article.result").get_attribute("data-output") != output
    latest = service.get("/v1/outputs").json()["outputs"][0]
    view = service.get(f"/v1/outputs/{latest['id']}").json()
    assert view["segments"]
    assert view["recognition"]["granularity"] == "frame"
