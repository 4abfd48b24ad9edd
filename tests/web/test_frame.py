"""The frame of the page: its opening, the list beside a result, the drawer, what else can be reached."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from emovox.inference.recognizer import Recognizer
from emovox.models.converted.clips import scene_files
from support.browser import ROOT, Tab, axe
from support.browser import tab as opened
from support.service import Client, serving

PHONE = {"width": 390, "height": 844}
EXAMPLE = json.loads((ROOT / "web" / "src" / "start" / "example.json").read_text())


def test_what_the_opening_draws_is_what_lite_hears(recognizer: Recognizer) -> None:
    [path] = scene_files()
    segments = recognizer.recognize(path, segments=True).segments
    assert segments is not None
    assert EXAMPLE["name"] == path.name
    assert [segment["emotion"] for segment in EXAMPLE["segments"]] == [segment.emotion for segment in segments]
    for drawn, segment in zip(EXAMPLE["segments"], segments, strict=True):
        assert (drawn["start"], drawn["end"]) == pytest.approx((segment.start, segment.end), abs=0.05)


@pytest.mark.parametrize(("language", "title"), [("en-GB", "Hear how it was said."), ("zh-CN", "听出话里的情感")])
def test_a_phone_s_first_screen(browser: Browser, service: Client, language: str, title: str) -> None:
    with opened(browser, str(service.base_url), viewport=PHONE, locale=language) as tab:
        page = tab.open()
        english = language == "en-GB"
        for one in (
            page.get_by_role("link", name="Emovox", exact=True),
            page.get_by_role("heading", name=title),
            page.get_by_text(
                "Everything stays on this machine." if english else "所有数据都留在这台机器上。"
            ).first,
            page.get_by_role("button", name="Record" if english else "录音", exact=True),
            page.get_by_role("button", name="Try an example" if english else "试听示例"),
        ):
            expect(one).to_be_in_viewport(ratio=1)
        tab.shoot(f"opening-390-{language}")


def test_one_click_to_four_emotions(browser: Browser, service: Client) -> None:
    with opened(browser, str(service.base_url), viewport=PHONE) as tab:
        page = tab.open()
        page.get_by_role("button", name="Try an example").click()
        tab.result()
        box = page.locator("article.result").bounding_box()
        assert box is not None
        assert box["y"] < 200  # it is what is seen
        assert page.evaluate("() => document.activeElement.id") == "result"
        tab.shoot("opening-result-390", whole=True)
        page.get_by_role("button", name="Another recording").click()
        expect(page.get_by_role("button", name="Choose files")).to_be_in_viewport()
        ribbon = page.locator("li.selected .ribbon")
        ribbon.scroll_into_view_if_needed()
        expect(ribbon.locator("i")).to_have_count(len(EXAMPLE["segments"]))
        expect(page).to_have_title(re.compile(r"^Neutral → angry .* · emodb_08_four_emotions\.flac – Emovox$"))
        expect(page.locator("li.selected .said")).to_have_text(re.compile("angry.*happy"))


def test_who_wants_nothing_to_move(browser: Browser, service: Client) -> None:
    moving = (  # what a click makes pass over isn't counted
        "() => document.querySelector('.scene').getAnimations({ subtree: true })"
        ".filter((each) => each instanceof CSSAnimation).length"
    )
    for motion, count in (("no-preference", 2), ("reduce", 0)):
        with opened(browser, str(service.base_url), reduced_motion=motion) as tab:
            page = tab.open()
            expect(page.locator(".scene .names span").first).to_be_visible()
            assert page.evaluate(moving) == count
            tab.shoot(f"opening-{motion}")
            endless = page.evaluate(
                "() => { document.querySelector('main').innerHTML = '<div class=\"bar unknown\"><i></i></div>';"
                " return getComputedStyle(document.querySelector('.bar i')).animationIterationCount }"
            )
            assert endless == ("1" if motion == "reduce" else "infinite")


def test_a_word_when_long_work_has_ended(browser: Browser, service: Client) -> None:
    away = """() => {
        window.told = []
        window.Notification = class {
            static permission = 'granted'
            constructor(title, options) { window.told.push(`${title}: ${options.body}`) }
        }
        Object.defineProperty(document, 'hidden', { get: () => true })
        const [now, send] = [Date.now, XMLHttpRequest.prototype.send]
        Date.now = () => now() + (window.later ?? 0)
        XMLHttpRequest.prototype.send = function (body) {
            this.addEventListener('load', () => { if (window.slow) window.later = 30_000 })
            send.call(this, body)
        }
    }"""
    with opened(browser, str(service.base_url)) as tab:
        tab.page.add_init_script(f"({away})()")
        page = tab.open()
        page.get_by_role("button", name="Try an example").click()
        tab.result()
        assert page.evaluate("told") == []  # it was there at once
        page.evaluate("() => { window.slow = true }")
        tab.choose(ROOT / "examples" / "emodb_03b01Wa_angry.flac")
        page.wait_for_function("() => told.length")
        assert page.evaluate("told") == ["Emovox: 2 of 2 finished"]
        expect(page).to_have_title("Angry · emodb_03b01Wa_angry.flac – Emovox")


def test_colours_of_the_reader_s_own(browser: Browser, service: Client) -> None:
    with opened(browser, str(service.base_url), forced_colors="active") as tab:
        page = tab.open()
        tab.shoot("opening-forced", whole=True)
        page.get_by_role("button", name="Try an example").click()
        tab.result()
        selected = page.locator("li.selected")
        assert selected.evaluate("(node) => getComputedStyle(node).outlineStyle") == "solid"
        shares = page.locator(".verdict .legend i")  # without their colours nothing would tell them apart
        grounds = shares.evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
        assert len(set(grounds)) == len(grounds) > 1
        line = page.locator("nav [aria-current]").evaluate("(one) => getComputedStyle(one).outlineStyle")
        assert line == "solid"
        tab.shoot("result-forced", whole=True)


def test_on_paper_there_are_no_controls(browser: Browser, service: Client) -> None:
    with opened(browser, str(service.base_url), color_scheme="dark") as tab:
        page = tab.open()
        page.get_by_role("button", name="Try an example").click()
        tab.result()
        page.emulate_media(media="print")
        for control in (".left", "nav", ".switches", ".tools", ".strip", ".play", "article a.button", "dialog"):
            for one in page.locator(control).all():
                expect(one).to_be_hidden()
        expect(page.locator(".verdict")).to_be_visible()
        expect(page.locator(".stage canvas").first).to_be_visible()
        ground = page.evaluate("() => getComputedStyle(document.querySelector('.card')).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
        page.set_viewport_size({"width": 640, "height": 900})
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 640


def test_keys_are_told_and_typing_is_none(tab: Tab) -> None:
    page = tab.open("#/history")
    page.get_by_role("searchbox", name="Name").press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("searchbox", name="Name")).to_have_value("?")
    page.locator("main").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Play and pause")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_drawer_keeps_what_is_chosen_and_gives_the_focus_back(tab: Tab) -> None:
    page = tab.open()
    button = page.get_by_role("button", name="Options: ")
    button.press("Enter")
    drawer = page.get_by_role("dialog", name="Options")
    drawer.locator("summary", has_text="More options").click()
    drawer.get_by_text("Each channel by itself").click()
    tab.shoot("drawer")
    drawer.get_by_role("button", name="Done").click()
    expect(drawer).to_be_hidden()
    expect(button).to_contain_text("Each channel by itself")
    assert page.evaluate("() => document.activeElement.className").startswith("asked")


def test_failures_are_never_hidden(tab: Tab, examples: list[Path], tmp_path: Path) -> None:
    (bad := tmp_path / "bad.mp3").write_bytes(b"no sound")
    page = tab.open()
    tab.choose(bad, *examples[:2])
    rail = page.get_by_role("region", name="Recordings", exact=True).first
    expect(rail.get_by_text("3 of 3 finished")).to_be_visible()
    for _ in range(2):  # also where stored ones are looked at
        expect(rail.locator("li[data-state=failed]")).to_contain_text("isn’t a recording")
        rail.locator("li[data-state=done] a").first.click()
        tab.result()
    page.get_by_role("link", name="Recordings", exact=True).click()
    expect(page.locator("tr[data-state=failed]")).to_contain_text("isn’t a recording")
    tab.shoot("recordings-failed")


def test_what_sounds_alike_and_what_there_is_in_sum(tab: Tab, service: Client, examples: list[Path]) -> None:
    ids = [service.post_file(path).headers["location"].rpartition("/")[2] for path in examples[:3]]
    page = tab.open(f"#/output/{ids[0]}")
    tab.result()
    page.locator("summary", has_text="What sounds like this").click()
    others = page.locator("details ol a[href^='#/output/']")
    expect(others.first).to_be_visible()
    expect(page.get_by_text("100 %").first).to_be_visible()
    page.get_by_role("link", name="Insights").click()
    expect(page).to_have_title("Insights – Emovox")
    expect(page.get_by_role("region", name="Day by day").get_by_role("link")).to_have_count(1)
    expect(page.get_by_text("Own classes and values (heads)")).to_be_visible()
    tab.shoot("insights", whole=True)
    page.get_by_role("link", name="Angry").click()
    expect(page.locator("tbody tr").first).to_contain_text("Angry")
    assert "emotion=angry" in page.url


def test_an_estimate_before(tab: Tab, minute: Path) -> None:
    page = tab.open()
    page.evaluate("() => localStorage.setItem('emovox.speed', '10')")
    page.reload()
    page.set_input_files("#files", str(minute))
    expect(page.locator("#estimate")).to_contain_text(re.compile(r"About 0:5\d of sound\.\s+It may take 0:0[56]"))


def side_by_side(page: Page) -> list[str]:
    return [select.get_attribute("id") or "" for select in page.locator("select[id^=side-]").all()]


def test_whose_voice_it_is_can_be_said(tab: Tab, service: Client, angry: Path) -> None:
    page = tab.open()
    tab.options()
    page.locator("summary", has_text="More options").click()
    select = page.get_by_role("combobox", name="Whose voice it is")
    expect(select.locator("option")).to_have_text(["Not said", "Customer", "Worker", "Pupil", "Study participant"])
    select.select_option("customer")
    tab.choose(angry)
    assert tab.result() == "angry"
    expect(page.locator("article .title .chip")).to_have_text("Customer")
    assert service.get("/v1/outputs").json()["outputs"][0]["side"] == "customer"
    tab.options()
    page.get_by_text("Each channel by itself").click()
    assert side_by_side(page) == ["side-0", "side-1"]
    for number in (1, 2):
        expect(page.get_by_role("combobox", name=f"Whose voice channel {number} is")).to_be_visible()


def test_under_a_policy_sides_are_asked_for_beside_the_recording(
    browser: Browser, tmp_path: Path, angry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    with serving(tmp_path / "outputs") as client, opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        select = page.locator("main").get_by_role("combobox", name="Whose voice it is")
        expect(select.locator("option")).to_have_text(
            ["Not said", "Customer", "Worker (talk time only)", "Pupil (talk time only)", "Study participant"]
        )
        select.select_option("worker")
        page.evaluate(axe())
        violations = page.evaluate("() => window.axe.run()")["violations"]
        assert [item["id"] for item in violations if item["impact"] in {"serious", "critical"}] == []
        tab.choose(angry)
        expect(page.get_by_text("Nothing else was inferred.")).to_be_visible()
        expect(page.locator(".verdict")).to_have_count(0)
        expect(page.locator("li.selected")).to_contain_text("talk time only")
        tab.shoot("side-worker", whole=True)


def test_the_tab_says_how_far_it_is(tab: Tab, angry: Path) -> None:
    def held(route: Route) -> None:
        page.wait_for_timeout(1)
        route.fulfill(status=503, headers={"Retry-After": "60"}, json={"type": "urn:emovox:busy", "detail": ""})

    page = tab.open()
    page.route("**/v1/recognitions", held)
    tab.choose(angry)
    expect(page).to_have_title(re.compile(r"^0 % · .*angry\.flac – Emovox"))
    page.unroute("**/v1/recognitions")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Try again", exact=True).click()
    tab.result()
    expect(page).to_have_title(re.compile(r"^Angry · .*angry\.flac – Emovox"))


def test_a_paused_recording_takes_nothing(tab: Tab) -> None:
    page = tab.open()
    page.get_by_role("button", name="Record", exact=True).click()
    live = page.get_by_role("region", name="Recording", exact=True)
    clock = live.locator(".row .numbers").first
    expect(clock).to_have_text("0:02")
    live.get_by_role("button", name="Pause").click()
    expect(live.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
    before = clock.inner_text()
    page.wait_for_timeout(2500)
    assert clock.inner_text() == before
    expect(live.get_by_text("Paused")).to_be_visible()
    tab.shoot("live-paused")
    live.get_by_role("button", name="Go on").click()
    expect(clock).to_have_text("0:04")
    tab.shoot("live-ribbon")
    live.get_by_role("button", name="Stop").click()
    tab.result()
