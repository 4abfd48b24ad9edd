"""From a recording to its result, as a newcomer goes."""

import csv
import io
import os
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from emovox.audio.wav import WavWriter
from emovox.models.converted.clips import example_clips
from emovox.server.jobs.jobs import Job, Jobs
from support.browser import Tab
from support.browser import tab as opened
from support.service import Client

SENTENCE = {"en-GB": "Sounds angry.", "zh-CN": "听起来是愤怒的语气。"}
RECOGNISE = {"en-GB": "Recognise", "zh-CN": "开始识别"}


@pytest.mark.parametrize(("language", "emotion"), [("en-GB", "Angry"), ("zh-CN", "愤怒")])
def test_a_file_is_dropped(browser: Browser, service: Client, angry: Path, language: str, emotion: str) -> None:
    with opened(browser, str(service.base_url), locale=language) as tab:
        page = tab.open()
        button = page.get_by_role("button", name=RECOGNISE[language], exact=True)
        expect(button).to_have_count(0)
        tab.shoot(f"empty-{language}")
        tab.drop(("愤怒 & angry.flac", angry.read_bytes()))
        expect(page.locator(".chosen").get_by_text("愤怒 & angry.flac")).to_be_visible()
        button.click()
        assert tab.result() == "angry"
        expect(page.locator(".verdict strong")).to_have_text(emotion, ignore_case=True)
        expect(page.locator(".verdict")).to_contain_text(SENTENCE[language])
        expect(page.locator(".verdict")).to_contain_text("愤怒")  # both names, whatever the language
        expect(page.locator(".verdict")).to_contain_text(re.compile(r"9\d\.\d %"))
        expect(page.get_by_role("heading", name="愤怒 & angry.flac")).to_be_visible()
        tab.shoot(f"result-{language}", whole=True)


def test_an_example_is_loaded(tab: Tab) -> None:
    page = tab.open()
    page.get_by_role("button", name="Angry: one sentence").click()
    assert tab.result() == "angry"
    expect(page.get_by_role("heading", name="emodb_03b01Wa_angry.flac")).to_be_visible()
    tab.unfold()
    bars = page.get_by_role("region", name="Scores").get_by_role("listitem")
    expect(bars).to_have_count(9)
    expect(bars.first).to_contain_text("Angry")
    log = page.get_by_role("heading", name="What was done").locator("..")
    for words in ("from flac, 16 kHz, mono", "by lite", "SHA-256", "outputs/outputs_", "ms"):
        expect(log).to_contain_text(words)


def test_files_to_take_away(tab: Tab, angry: Path) -> None:
    page = tab.open()
    tab.options()
    page.get_by_text("Extract embedding").click()
    tab.choose(angry)
    tab.result()
    for name in ("result.json", "embedding.npy", "processed_audio.wav"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    with page.expect_download():  # at once
        page.get_by_role("button", name="SRT", exact=True).click()
    expect(page.get_by_role("link", name="segments.srt")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="All as zip").click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert {Path(name).name for name in names} == {
        "result.json", "embedding.npy", "processed_audio.wav", "segments.srt", "segment_embeddings.npy",
        "frames.npz",
    }  # fmt: skip
    with page.expect_download() as download:
        page.get_by_role("link", name="processed_audio.wav").click()
    assert download.value.path().read_bytes()[:4] == b"RIFF"


def test_the_code_does_the_same(tab: Tab, service: Client, angry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tab.open()
    tab.choose(angry)
    tab.result()
    curl = page.locator("pre").inner_text()
    assert f"{service.base_url}".rstrip("/") in curl
    assert f"-F file=@{angry.name}" in curl
    assert "-F granularity=frame" in curl
    page.get_by_role("button", name="Python", exact=True).click()
    code = page.locator("pre").inner_text()
    monkeypatch.chdir(angry.parent)
    said: list[str] = []
    exec(code.replace("print(", "said.append("), {"said": SaidList(said)})  # noqa: S102  it is what is shown
    assert said[0] == "angry"


def test_the_code_of_what_was_stored_before(
    tab: Tab, service: Client, angry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = service.post_file(angry, segments="true", granularity="frame", name="a voice").headers["location"]
    page = tab.open(f"#/output/{first.rpartition('/')[2]}")
    tab.result()
    expect(page.get_by_text("It may have been made with others, too.")).to_be_visible()
    with page.expect_download() as download:  # what has no file's name is named as it is downloaded
        page.get_by_role("link", name="processed_audio.wav").click()
    folder = download.value.path().parent
    download.value.path().rename(folder / download.value.suggested_filename)
    page.get_by_role("button", name="Python", exact=True).click()
    code = page.locator("pre").inner_text()
    for option in ('granularity="frame"', "segments=True", 'model="lite"', 'precision="fp32"'):
        assert option in code
    monkeypatch.chdir(folder)
    exec(code.replace("print(", "said.append("), {"said": SaidList([])})  # noqa: S102  it is what is shown
    latest = service.get("/v1/outputs").json()["outputs"][0]
    one, other = (
        service.get(f"/v1/outputs/{id_}/timeline").json() for id_ in (first.rpartition("/")[2], latest["id"])
    )
    assert latest["id"] != first.rpartition("/")[2]
    assert one == other


class SaidList:
    """Takes what the shown code would print."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def append(self, *words: object) -> None:
        self._said.append(str(words[0]))


@pytest.mark.parametrize(
    ("language", "words"),
    [("en-GB", "This isn’t a recording that can be read"), ("zh-CN", "这不是可以读取的录音")],
)
def test_a_file_that_is_none(browser: Browser, service: Client, language: str, words: str) -> None:
    with opened(browser, str(service.base_url), locale=language) as tab:
        page = tab.open()
        tab.drop(("notes.mp3", b"these are notes, and no sound"))
        page.locator(".go").click()
        expect(page.get_by_role("alert")).to_contain_text(words)
        tab.shoot(f"problem-{language}")


def test_the_microphone(tab: Tab, service: Client) -> None:
    page = tab.open()
    page.get_by_role("button", name="Record", exact=True).click()
    live = page.get_by_role("region", name="Recording", exact=True)
    expect(live).to_be_visible()
    expect(live.locator(".now .numbers")).to_contain_text("%")  # something is heard
    page.wait_for_timeout(2500)
    tab.shoot("live")
    live.get_by_role("button", name="Stop").click()
    tab.result()
    assert "recording" in page.locator("article h2").first.inner_text()
    assert service.get("/v1/outputs").json()["outputs"][0]["duration"] > 2


def test_the_language_is_switched_and_kept(tab: Tab) -> None:
    page = tab.open()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="切换到中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="听出话里的情感")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="听出话里的情感")).to_be_visible()
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_role("heading", name="Hear how it was said.")).to_be_visible()


@pytest.mark.slow
def test_two_hundred_files(tab: Tab, service: Client, tmp_path: Path) -> None:
    page = tab.open()
    clips, files = example_clips(), []
    for number in range(199):
        writer = WavWriter(tmp_path / f"{number:03d}.wav")
        writer.write(clips[number % len(clips)][: 16_000 + number])
        writer.close()
        files.append(tmp_path / f"{number:03d}.wav")
    (bad := tmp_path / "199.wav").write_bytes(b"no sound")
    page.set_input_files("#files", [str(file) for file in [*files, bad]])
    expect(page.get_by_text("200 recordings")).to_be_visible()
    page.locator(".go").click()
    rail = page.get_by_role("region", name="Recordings", exact=True)
    expect(rail.get_by_role("progressbar", name="Queue")).to_be_visible()
    expect(rail.get_by_text("200 of 200 finished")).to_be_visible(timeout=180_000)
    expect(rail.get_by_text("1 failed")).to_be_visible()
    tab.shoot("queue")
    page.get_by_role("link", name="Recordings", exact=True).click()
    queue = page.get_by_role("region", name="Recordings", exact=True).first
    queue.get_by_role("searchbox").fill(".wav")  # the others here are none
    expect(queue.locator("tbody tr")).to_have_count(200)

    queue.get_by_role("button", name="Confidence").click()
    queue.get_by_role("button", name="Confidence").click()
    expect(queue.locator("td.confidence", has_text="%")).not_to_have_count(0)
    shares = [text for text in queue.locator("td.confidence").all_inner_texts() if text]
    values = [float(text.split()[0]) for text in shares]
    assert values == sorted(values, reverse=True)
    assert 100 < len(values) < 200  # some are unsure, or two emotions are level: they have none
    clear = queue.locator("tbody tr", has=page.locator("td.confidence", has_text="%"))
    ((common, count),) = Counter(clear.locator("td.emotion").all_inner_texts()).most_common(1)
    assert count < 199
    queue.get_by_role("combobox", name="Emotion").select_option(common.split()[-1].lower())
    rows = queue.locator("tbody tr")
    expect(rows).to_have_count(count)
    assert set(queue.locator("td.emotion").all_inner_texts()) == {common}
    queue.get_by_role("combobox", name="Emotion").select_option("")
    queue.get_by_role("searchbox").fill("199")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("failed")
    rows.first.get_by_role("button", name="Show the result").click()
    expect(page.get_by_role("alert")).to_contain_text("isn’t a recording")

    page.go_back()
    queue.get_by_role("searchbox").fill(".wav")
    expect(rows).to_have_count(200)
    with page.expect_download() as download:
        queue.get_by_role("button", name="CSV").click()
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert len(table) == 200
    done = [row for row in table if row["state"] == "done"]
    assert len(done) == 199
    for row in done[:7]:
        stored = service.get(f"/v1/outputs/{row['output']}").json()
        assert row["file"] == stored["name"]
        assert row["emotion"] == stored["emotion"]
        assert float(row["angry"]) == stored["scores"]["angry"]


def test_a_folder_with_other_things_in_it(tab: Tab, examples: list[Path], tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for path in examples[:2]:
        (tmp_path / "folder" / "deep" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "folder" / "notes.txt").write_text("notes")
    page = tab.open()
    page.set_input_files("#folder", str(tmp_path / "folder"))
    expect(page.get_by_text("2 recordings")).to_be_visible()
    expect(page.get_by_text("1 file was left out")).to_be_visible()


def test_what_was_begun_is_found_again_by_who_began_it(
    tab: Tab, browser: Browser, service: Client, angry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_taken(self: Jobs) -> Job | None:
        return None

    page = tab.open()
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "next", none_taken)
        tab.choose(angry)
        expect(page.get_by_text("queued", exact=True).first).to_be_visible()
        assert service.post_file(angry, url="/v1/batches").is_success  # by a program
        page.reload()  # the page may go: the jobs stay
        expect(page.get_by_text("queued", exact=True).first).to_be_visible()
        expect(page.get_by_role("heading", name=angry.name)).to_have_count(1)
        with opened(browser, str(service.base_url)) as stranger:
            other = stranger.open()
            expect(
                other.get_by_role("button", name="Try an example")
            ).to_be_enabled()  # it has learnt what there is
            other.wait_for_timeout(500)
            expect(other.get_by_role("heading", name="Hear how it was said.")).to_be_visible()
        second = page.context.new_page()  # another tab of this browser
        second.goto(str(service.base_url))
        expect(second.get_by_text("queued", exact=True).first).to_be_visible()
        page.close()
    expect(second.locator("article.result .stage")).to_be_visible()
    assert "-F segments=true" in second.locator("pre").inner_text()  # with the options that were chosen
    second.close()
    assert [job["state"] for job in service.get("/v1/jobs?limit=2").json()["jobs"]] == ["done", "done"]


def test_cancelling_that_fails_isn_t_told_as_done(tab: Tab, angry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_taken(self: Jobs) -> Job | None:
        return None

    page = tab.open()
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "next", none_taken)
        tab.choose(angry)
        expect(page.get_by_text("queued", exact=True).first).to_be_visible()
        page.route(
            "**/v1/jobs/*", lambda route: route.abort() if route.request.method == "DELETE" else route.continue_()
        )
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_text("queued", exact=True).first).to_be_visible()
    tab.result()


def test_what_is_missing_stands_beside_the_result(tab: Tab, angry: Path) -> None:
    missing: dict[str, Any] = {
        "type": "urn:emovox:export", "title": "Export not possible", "status": 422,
        "detail": "recognised, but not exported as srt: no pen",
    }  # fmt: skip

    def without(route: Route) -> None:
        answer = route.fetch()
        job = answer.json()
        route.fulfill(response=answer, json={**job, "problem": missing if job["state"] == "done" else None})

    page = tab.open()
    page.route("**/v1/jobs/*", without)
    tab.choose(angry)
    assert tab.result() == "angry"
    notice = page.locator(".notice.bad")
    expect(notice).to_contain_text("This export can’t be made here.")
    notice.locator("summary").click()
    expect(notice).to_contain_text(missing["detail"])
    expect(page.locator(".verdict strong")).to_have_text("Angry", ignore_case=True)
    tab.shoot("missing-export", whole=True)


def test_a_reload_keeps_the_table(tab: Tab, examples: list[Path], tmp_path: Path) -> None:
    (bad := tmp_path / "bad.wav").write_bytes(b"no sound")
    page = tab.open()
    tab.choose(*examples[:3], bad)
    queue = page.get_by_role("region", name="Recordings", exact=True).first
    expect(queue.get_by_text("4 of 4 finished")).to_be_visible()
    page.reload()
    expect(queue.get_by_text("4 of 4 finished")).to_be_visible()
    names = [path.name for path in [*examples[:3], bad]]
    expect(queue.locator("li.own .name")).to_have_text(names)
    row = queue.locator("li[data-state=failed]")
    expect(row).to_contain_text("isn’t a recording")
    box = row.bounding_box()
    assert box is not None
    assert box["height"] < 80  # three lines, whatever is wrong
    queue.get_by_role("button", name="Clear finished").click()
    page.reload()
    expect(page.get_by_role("heading", name="Hear how it was said.")).to_be_visible()


def test_recording_is_in_sight(browser: Browser, service: Client) -> None:
    with opened(browser, str(service.base_url), viewport={"width": 360, "height": 740}) as tab:
        page = tab.open()
        page.get_by_role("button", name="Record", exact=True).click()
        stop = page.get_by_role("button", name="Stop")
        expect(stop).to_be_in_viewport()
        page.get_by_role("link", name="Recordings", exact=True).click()
        expect(stop).to_be_in_viewport()  # whatever is looked at meanwhile
        page.wait_for_timeout(2000)
        stop.click()
        expect(stop).to_be_hidden()
        page.get_by_role("link", name="Recognise").click()
        tab.result()
        expect(page.locator("#result > [role=status]")).to_contain_text("recording")


def test_the_same_name_and_length_twice(tab: Tab, examples: list[Path], tmp_path: Path) -> None:
    page = tab.open()
    for folder, time in (("one", 1_000_000_000), ("other", 1_100_000_000)):
        path = tmp_path / folder / "001.flac"
        path.parent.mkdir()
        path.write_bytes(examples[0].read_bytes())
        os.utime(path, (time, time))
        for _ in range(2):  # the very same file is taken once
            page.set_input_files("#files", str(path))
    expect(page.get_by_text("2 recordings")).to_be_visible()


def test_cancelled_and_sent_again(tab: Tab, service: Client, angry: Path) -> None:
    sent = []

    def full_at_first(route: Route) -> None:
        sent.append(route.request.url)
        if len(sent) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "2"}, json={"type": "urn:emovox:busy", "detail": ""})

    page = tab.open()
    page.route("**/v1/recognitions", full_at_first)
    tab.choose(angry)
    expect(page.get_by_text("The service is full. Trying again in")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Try again", exact=True).click()
    tab.result()
    page.wait_for_timeout(2500)  # the first try would have been over by now
    assert len(sent) == 2
