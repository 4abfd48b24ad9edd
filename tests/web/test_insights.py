"""Insights: the map of the recordings, and evaluations."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support import calls
from support.browser import axe
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


def test_labels_are_compared_with_what_is_stored(browser: Browser, filled: Client, tmp_path: Path) -> None:
    stored = filled.get("/v1/outputs").json()["outputs"]
    rows = [f"{item['name']},{item['emotion']}" for item in stored]
    wrong = next(item["emotion"] for item in stored if item["emotion"] != stored[0]["emotion"])
    rows[0] = f"{stored[0]['name']},{wrong}"
    (labels := tmp_path / "truth.csv").write_text("path,label\n" + "\n".join(rows) + "\nnowhere.wav,angry\n")
    (tmp_path / "none.csv").write_text("nothing\n")
    with opened(browser, str(filled.base_url)) as tab:
        page = tab.open("#/insights")
        part = page.get_by_role("region", name="How right the results are")
        page.set_input_files("#labels", str(tmp_path / "none.csv"))
        expect(part.get_by_text("These labels can’t be used")).to_be_visible()
        page.set_input_files("#labels", str(labels))
        report = part.locator(".report")
        expect(report.get_by_text(f"{len(stored)} recordings, as lite")).to_be_visible()
        expect(report.get_by_text("could be compared with 1 label, such as that of nowhere.wav")).to_be_visible()
        right = report.locator("dl").get_by_text(f"{round(100 * (1 - 1 / len(stored)))} %", exact=True)
        expect(right.first).to_be_visible()
        cells = [int(text or 0) for text in report.locator("tbody td").all_inner_texts()]
        assert sum(cells) == len(stored)
        expect(report.get_by_role("img")).to_have_attribute("aria-label", re.compile("How many are right"))
        page.reload()
        part.get_by_role("button", name="truth.csv", exact=True).click()
        expect(report).to_be_visible()
        part.get_by_role("button", name="Remove: truth.csv").click()
        expect(part.get_by_role("button", name="truth.csv", exact=True)).to_have_count(0)
    assert filled.get("/v1/evaluations").json()["evaluations"] == []


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_annotations_are_compared_with_what_is_stored(
    browser: Browser, filled: Client, examples: list[Path], tmp_path: Path, language: str
) -> None:
    english = language == "en-GB"
    name = f"call-{language}.wav"
    marks = calls.write_call(tmp_path / name, examples[:4] if english else examples[1:5])
    assert filled.post_file(tmp_path / name, granularity="frame", segments="true").is_success
    grid = calls.write_textgrid((tmp_path / name).with_suffix(".TextGrid"), marks[:3], tier="affect")
    grid.write_text(grid.read_text(encoding="utf-8"), encoding="utf-16")  # as Praat writes 愤怒
    track = calls.write_audacity(tmp_path / f"{name}.txt", [*marks[3:], calls.Mark(900, 901.5, "sad")])
    (broken := tmp_path / "broken.eaf").write_text("<a>")
    with opened(browser, str(filled.base_url), locale=language) as tab:
        page = tab.open("#/insights")
        part = page.locator("section[aria-labelledby=evaluations]")
        page.set_input_files("#labels", [str(grid), str(broken)])
        expect(part.get_by_text("no column of label, emotion, class, emo; it has path, affect")).to_be_visible()
        tab.shoot(f"annotations-refused-{language}")
        part.get_by_label("Column or tier" if english else "列或层").fill("affect")
        page.set_input_files("#labels", [str(grid), str(broken)])
        expect(part.get_by_text("broken.eaf: not valid XML")).to_be_visible()
        page.set_input_files("#labels", str(grid))
        report = part.locator(".report")
        expect(report.get_by_text("3 stretches, as lite" if english else "3 个片段，采用 lite")).to_be_visible()
        part.get_by_label("Column or tier" if english else "列或层").fill("")
        grid = calls.write_textgrid(grid, marks[:3])
        page.set_input_files("#labels", [str(grid), str(track)])
        expect(report.get_by_text("4 stretches, as lite" if english else "4 个片段，采用 lite")).to_be_visible()
        expect(report.get_by_text(f"{name}#t=900,901.5")).to_be_visible()
        expect(part.get_by_role("button", name=f"{grid.name} +1", exact=True)).to_be_visible()
        tab.shoot(f"annotations-{language}", whole=True)
        for evaluation in filled.get("/v1/evaluations").json()["evaluations"]:
            filled.delete(f"/v1/evaluations/{evaluation['id']}")


@pytest.mark.parametrize(("theme", "language"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_axe_finds_nothing_serious_with_all_of_it_open(
    browser: Browser, filled: Client, tmp_path: Path, theme: str, language: str
) -> None:
    stored = filled.get("/v1/outputs").json()["outputs"]
    rows = "".join(f"{item['name']},{item['emotion']}\n" for item in stored)
    (labels := tmp_path / "all.csv").write_text("path,label\n" + rows)
    with opened(browser, str(filled.base_url), locale=language, color_scheme=theme) as tab:
        page = tab.open("#/insights")
        ground = page.get_by_role("application")
        expect(ground).to_be_visible()
        page.set_input_files("#labels", str(labels))
        expect(page.locator(".report")).to_be_visible()
        for details in page.locator("main details").all():
            details.evaluate("(node) => { node.open = true }")
        ground.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("section .tip")).to_be_visible()
        page.wait_for_timeout(400)  # until colours have settled
        tab.shoot(f"insights-{theme}", whole=True)
        page.evaluate(axe())
        violations = page.evaluate("() => window.axe.run()")["violations"]
        found = [(item["id"], item["nodes"][0]["target"], item["help"]) for item in violations]
        assert not found, repr(found)
        page.get_by_role("button", name="Remove: all.csv" if language == "en-GB" else "移除: all.csv").click()
        expect(page.locator(".report")).to_have_count(0)
