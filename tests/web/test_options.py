"""Trained heads, and channels by themselves."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Encode
from playwright.sync_api import Browser, expect

from emovox.inference.recognizer import Recognizer
from emovox.models.converted.clips import example_clips
from emovox.models.head import head_path
from emovox.server.jobs.jobs import Job, Jobs
from support.browser import Tab, axe
from support.browser import tab as opened
from support.heads import head
from support.service import Client


def serious(tab: Tab) -> list[str]:
    tab.page.evaluate(axe())
    tab.page.wait_for_timeout(400)
    violations = tab.page.evaluate("() => window.axe.run()")["violations"]
    return [item["id"] for item in violations if item["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize(
    ("language", "theme", "words"),
    [
        ("en-GB", "light", "Own classes"),
        pytest.param("zh-CN", "dark", "自己的类别", marks=pytest.mark.slow),
    ],
)
def test_a_head_is_asked(
    browser: Browser,
    service: Client,
    recognizer: Recognizer,
    angry: Path,
    language: str,
    theme: str,
    words: str,
) -> None:
    own = head(recognizer.metadata, classes=("calm", "upset caller", "投诉"))
    own.write(head_path("calls"))
    head(recognizer.metadata.model_copy(update={"name": "emotion2vec_plus_large"})).write(head_path("far"))
    expected = str(recognizer.recognize(angry, head=own).readouts["calls"].label)
    with opened(browser, str(service.base_url), locale=language, color_scheme=theme) as tab:
        page = tab.open()
        tab.options()
        select = page.get_by_role("combobox", name=words)
        expect(select.locator("option[value=far]")).to_be_disabled()
        select.select_option("calls")
        tab.shoot(f"head-options-{theme}", whole=True)
        tab.choose(angry)
        tab.result()
        tab.unfold()
        verdict = page.get_by_role("region", name=words)
        expect(verdict.locator("strong")).to_have_text(expected)
        rows = verdict.get_by_role("listitem")
        expect(rows).to_have_count(3)
        expect(rows.first).to_contain_text(expected)
        assert "-F head=calls" in page.locator("pre").inner_text()
        page.locator("details:has(table)").evaluate("(node) => { node.open = true }")
        page.get_by_role("table").scroll_into_view_if_needed()
        expect(page.get_by_role("columnheader", name="calls")).to_be_visible()
        expect(page.get_by_role("table").locator(".own").first).to_contain_text("%")
        tab.shoot(f"head-{theme}", whole=True)
        assert serious(tab) == []


def test_no_head_no_choice(tab: Tab) -> None:
    page = tab.open()
    expect(page.get_by_role("button", name="Try an example")).to_be_enabled()  # it has learnt what there is
    tab.options()
    expect(page.get_by_text("Extract embedding")).to_be_visible()
    expect(page.get_by_role("combobox", name="Own classes")).to_have_count(0)


@pytest.fixture
def call(encode: Encode) -> Path:
    """One clip on the left, another on the right."""
    one, other = example_clips()[:2]
    stereo = np.zeros((2, max(len(one), len(other))), np.float32)
    stereo[0, : len(one)], stereo[1, : len(other)] = one, other
    return encode(stereo, "call.wav", "pcm_s16le", sample_format="s16")


@pytest.mark.parametrize(
    ("language", "theme"), [("en-GB", "light"), pytest.param("zh-CN", "dark", marks=pytest.mark.slow)]
)
def test_each_channel_by_itself(
    browser: Browser, service: Client, call: Path, angry: Path, language: str, theme: str
) -> None:
    with opened(browser, str(service.base_url), locale=language, color_scheme=theme) as tab:
        page = tab.open()
        tab.options()
        page.locator("summary", has_text="More options" if language == "en-GB" else "更多选项").click()
        alone = page.get_by_role("checkbox", name="Leave silence out" if language == "en-GB" else "忽略静音")
        expect(alone).not_to_be_checked()
        page.get_by_text("Each channel by itself" if language == "en-GB" else "分别识别每个声道").click()
        expect(alone).to_be_checked()
        tab.shoot(f"channels-options-{theme}", whole=True)
        tab.choose(call, angry)
        expect(page.locator("li.own[data-state=done]")).to_have_count(2)  # a call is one
        expect(page.locator("li.own .name")).to_have_text(["call.wav", angry.name])
        tab.result()
        code = page.locator("pre").inner_text()
        assert "-F channel=1" in code
        assert "-F speech_only=true" in code
        counted = "which alone counts" if language == "en-GB" else "只计语音"
        expect(page.get_by_text(counted)).to_be_visible()
        tab.shoot(f"channels-{theme}", whole=True)
        assert serious(tab) == []


def test_silence_is_left_in_where_that_is_chosen(tab: Tab, service: Client, call: Path) -> None:
    page = tab.open()
    tab.options()
    page.locator("summary", has_text="More options").click()
    alone = page.get_by_role("checkbox", name="Leave silence out")
    alone.check()
    alone.uncheck()
    page.get_by_text("Each channel by itself").click()
    expect(alone).not_to_be_checked()
    tab.choose(call)
    expect(page.locator("li.own[data-state=done] .name")).to_have_text(["call.wav"])
    output = service.get("/v1/outputs").json()["outputs"][0]["id"]
    result = service.get(f"/v1/outputs/{output}/files/result.json").json()
    assert (result["recording"]["channels"], result["speech_only"]) == (2, False)


@pytest.mark.parametrize("language", ["en-GB", pytest.param("zh-CN", marks=pytest.mark.slow)])
def test_much_silence_is_warned_of(
    browser: Browser, service: Client, encode: Encode, speech: np.ndarray, language: str
) -> None:
    path = encode(
        np.concatenate([speech, np.zeros(20 * 16_000, np.float32)]), "x.wav", "pcm_s16le", sample_format="s16"
    )
    with opened(browser, str(service.base_url), locale=language) as tab:
        page = tab.open()
        tab.choose(path)
        tab.result()
        words = "Less than a third is speech" if language == "en-GB" else "语音不到三分之一"
        expect(page.get_by_text(words)).to_be_visible()
        tab.shoot(f"mostly-silence-{language}", whole=True)


def test_a_channel_is_tried_again_alone(
    tab: Tab, service: Client, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_taken(self: Jobs) -> Job | None:
        return None

    page = tab.open()
    tab.options()
    page.locator("summary", has_text="More options").click()
    page.get_by_text("Each channel by itself").click()
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "next", none_taken)
        tab.choose(call)
        page.get_by_role("button", name="Cancel: call.wav (channel 2)").click()
        page.get_by_role("button", name="Try again: call.wav", exact=False).click()
    expect(page.locator("li.own[data-state=done] .name")).to_have_text(["call.wav"])
    channels = [job["channel"] for job in service.get("/v1/jobs").json()["jobs"][:3]]
    assert channels == [2, 2, 1]  # latest first: again, cancelled, the other


def test_own_classes_are_in_the_csv(tab: Tab, recognizer: Recognizer, examples: list[Path], angry: Path) -> None:
    own = head(recognizer.metadata, classes=("calm", "upset, very"))
    own.write(head_path("calls"))
    page = tab.open()
    tab.options()
    page.get_by_role("combobox", name="Own classes").select_option("calls")
    tab.choose(*examples[:2])
    expect(page.get_by_text("2 of 2 finished")).to_be_visible()
    tab.result()
    page.get_by_role("link", name="Recordings", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    for row, path in zip(table[:2], examples, strict=False):  # then what was stored before
        expected = recognizer.recognize(path, head=own, granularity="frame", segments=True).readouts["calls"]
        assert expected.scores is not None
        assert row["calls.label"] == expected.label
        assert float(row["calls.upset, very"]) == pytest.approx(expected.scores["upset, very"], abs=1e-5)
        assert float(row["calls.confidence"]) == pytest.approx(expected.confidence, abs=1e-5)


def test_a_head_of_weights_that_have_changed_can_t_be_chosen(tab: Tab, recognizer: Recognizer) -> None:
    head(recognizer.metadata).write(head_path("calls"))
    head(recognizer.metadata.model_copy(update={"source_sha256": "0" * 64})).write(head_path("old"))
    page = tab.open()
    tab.options()
    select = page.get_by_role("combobox", name="Own classes")
    expect(select.locator("option[value=calls]")).to_be_enabled()
    expect(select.locator("option[value=old]")).to_be_disabled()
    expect(page.get_by_text("has changed since")).to_be_visible()


def test_precisions_are_those_of_the_model(tab: Tab, service: Client, angry: Path) -> None:
    page = tab.open()
    tab.options()
    page.locator("summary", has_text="More options").click()
    select = page.get_by_role("combobox", name="Precision")
    [lite] = [model for model in service.get("/v1/models").json() if model["name"] == "lite"]
    expect(select.locator("option")).to_have_text(["automatic", *lite["precisions"]])
    select.select_option(lite["precisions"][-1])
    tab.choose(angry)
    tab.result()
    assert "by lite" in page.locator("article").inner_text()
    assert f"in {lite['precisions'][-1]}" in page.locator("article").inner_text()


@pytest.mark.parametrize(
    ("language", "words", "praat", "report"),
    [
        ("en-GB", "Parquet: not here, as the service lacks pyarrow.", "TextGrid (Praat)", "Report"),
        ("zh-CN", "Parquet：服务缺少 pyarrow，无法生成。", "TextGrid（Praat）", "报告"),
    ],
)
def test_exports_that_can_only_fail_aren_t_offered(
    browser: Browser,
    service: Client,
    angry: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    words: str,
    praat: str,
    report: str,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it weren't installed
    plain, whole = (
        service.post_file(angry, **options).headers["location"].rpartition("/")[2]
        for options in ({}, {"segments": "true"})
    )
    with opened(browser, str(service.base_url), locale=language) as tab:
        for id_, able in (
            (plain, []),
            (whole, ["SRT", "VTT", praat, "Audacity", "EmotionML", "CSV", "PNG", "SVG", report]),
        ):
            page = tab.open(f"#/output/{id_}")
            tab.result()
            expect(page.get_by_text(words)).to_be_visible()
            buttons = page.get_by_role("button", name="SRT", exact=True).locator("..").get_by_role("button")
            expect(buttons).to_have_count(10)
            assert [button.inner_text() for button in buttons.all() if button.is_enabled()] == able
            tab.shoot(f"exports-{language}-{len(able)}", whole=True)
