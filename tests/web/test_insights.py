"""Insights: the map of the recordings, and evaluations."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.browser import tab as opened
from support.service import Client


@pytest.fixture(scope="module")
def filled(service: Client, examples: list[Path]) -> Client:
    for path in examples[:5]:
        assert service.post_file(path, embedding="true").is_success
    return service


@pytest.mark.parametrize(("language", "name"), [("en-GB", "The map of the recordings"), ("zh-CN", "录音地图")])
def test_every_point_of_the_map_leads_to_its_recording(
    browser: Browser, filled: Client, language: str, name: str
) -> None:
    points = filled.get("/v1/archive/map").json()["points"]
    with opened(browser, str(filled.base_url), locale=language) as tab:
        page = tab.open("#/insights")
        ground = page.get_by_role("application", name=name)
        box = ground.bounding_box()
        assert box is not None
        point = points[0]
        x = 14 + (point["x"] + 1) / 2 * (box["width"] - 28)
        y = 14 + (1 - point["y"]) / 2 * (box["height"] - 28)
        ground.scroll_into_view_if_needed()
        ground.hover(position={"x": x, "y": y})
        expect(page.locator("section .tip")).to_contain_text(point["name"])
        ground.click(position={"x": x, "y": y})
        expect(page).to_have_url(re.compile(f"#/output/{point['output']}$"))
        page.go_back()
        ground.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        told = page.locator("section[aria-labelledby=map] [role=status]")
        expect(told).to_have_text(re.compile(r"\.flac, "))
        named = told.inner_text().split(",")[0]
        page.keyboard.press("Enter")
        expect(page.locator("article.result h2").first).to_have_text(named)
