"""What the page shows of models that give more, or other, than the nine emotions."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support import tiny
from support.browser import Tab, axe
from support.browser import tab as opened
from support.readouts import KINDS, swaying
from support.service import Client, serving

Served = Callable[[str], Client]
NOT_WORDS = re.compile(r"undefined|null|NaN|\[object")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with a model of a kind, begun when it is asked for."""
    clients: dict[str, Client] = {}
    with ExitStack() as stack:

        def serve(kind: str) -> Client:
            if kind not in clients:
                root = tmp_path_factory.mktemp(kind)
                model = tiny.write(root / "tiny.onnx", readouts=KINDS[kind])
                clients[kind] = stack.enter_context(serving(root / "outputs", model=model))
            return clients[kind]

        yield serve


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swaying(tmp_path_factory.mktemp("sound") / "call.wav")


def store(client: Client, sound: Path) -> str:
    answer = client.post_file(sound, granularity="frame", segments="true")
    return answer.headers["location"].rpartition("/")[2]


def shown(tab: Tab, output: str) -> Page:
    page = tab.open(f"#/output/{output}")
    page.wait_for_selector("article.result .stage")
    expect(page.locator(".loading")).to_have_count(0)
    tab.unfold()
    assert not NOT_WORDS.search(page.inner_text("main"))
    return page


def every_curve(page: Page, group: str) -> Locator:
    """The buttons of all curves, those that never lead too."""
    curves = page.get_by_role("group", name=group)
    more = curves.get_by_role("button", expanded=False)
    if more.count():
        more.click()
    return curves.locator("[aria-pressed]")


def serious(tab: Tab) -> list[str]:
    tab.page.evaluate(f"() => {{ {axe()} }}")
    tab.page.wait_for_timeout(400)
    violations = tab.page.evaluate("() => window.axe.run()")["violations"]
    return [item["id"] for item in violations if item["impact"] in {"serious", "critical"}]


def test_classes_of_its_own(browser: Browser, served: Served, sound: Path) -> None:
    client = served("foreign")
    output = store(client, sound)
    view = client.get(f"/v1/outputs/{output}").json()["readouts"]["emotion"]
    with opened(browser, str(client.base_url)) as tab:
        page = shown(tab, output)
        summary = client.get(f"/v1/outputs/{output}").json()["summary"]
        expect(page.locator(".verdict")).to_contain_text(summary["sentence"]["en"])
        assert summary["readout"] == "emotion"
        section = page.get_by_role("region", name="The model’s own classes: emotion")
        expect(section.locator("strong")).to_have_text(view["label"])  # as the model spells it
        rows = section.get_by_role("listitem")
        expect(rows).to_have_count(5)
        expect(rows.first).to_contain_text(f"{view['confidence']:.1%}".replace("%", " %"))
        expect(every_curve(page, "Curves")).to_have_text(
            [re.compile(rf"^\s*{label}") for label in tiny.FOREIGN.labels]
        )
        page.locator("summary", has_text="Table of").click()
        headers = page.locator("details table th")
        expect(headers).to_have_text(["Play", "Start", "End", "emotion"])
        expect(page.get_by_role("group", name="What is drawn")).to_have_count(0)  # there is nothing to choose
        page.get_by_role("button", name="Python").click()
        expect(page.locator("pre")).to_contain_text('recognition.readouts["emotion"].label')
        assert serious(tab) == []
        tab.shoot("readouts-classes", whole=True)
        page = tab.open("#/history")
        expect(page.locator("td.emotion").first).to_have_text(summary["headline"]["en"])  # as the card says


def test_values(browser: Browser, served: Served, sound: Path) -> None:
    client = served("values")
    output = store(client, sound)
    values = client.get(f"/v1/outputs/{output}").json()["readouts"]["dimensions"]["values"]
    with opened(browser, str(client.base_url), locale="zh-CN", color_scheme="dark") as tab:
        page = shown(tab, output)
        section = page.get_by_role("region", name="数值：dimensions")
        for name, value in values.items():
            meter = section.get_by_role("meter", name=name)
            expect(meter).to_have_attribute("aria-valuetext", f"{value:.2f}")
            expect(meter).to_have_attribute("aria-valuemax", "1")
        assert "%" not in section.inner_text()
        expect(page.locator(".verdict[data-kind=values] .headline")).to_contain_text("arousal")
        page.locator(".stage").focus()
        page.keyboard.press("]")
        expect(every_curve(page, "曲线")).to_have_text(
            [re.compile(rf"^\s*{name}\s+−?\d\.\d\d\s*$") for name in values]
        )
        expect(page.locator(".stage")).to_have_attribute(
            "aria-valuetext", re.compile(r"^0:0\d\.\d, arousal −?\d\.\d\d,")
        )
        assert serious(tab) == []
        tab.shoot("readouts-values", whole=True)
        page = tab.open("#/history")
        headline = client.get(f"/v1/outputs/{output}").json()["summary"]["headline"]["zh"]
        expect(page.locator("td.emotion").first).to_have_text(headline)


def test_which_readout_is_drawn(browser: Browser, served: Served, sound: Path) -> None:
    client = served("all")
    output = store(client, sound)
    with opened(browser, str(client.base_url)) as tab:
        page = shown(tab, output)
        expect(page.locator(".verdict")).to_be_visible()
        expect(page.locator("[data-readout]")).to_have_count(3)
        choice = page.get_by_role("group", name="What is drawn").get_by_role("button")
        expect(choice).to_have_text(["Nine emotions", "dimensions", "peak", "mood"])
        expect(choice.first).to_have_attribute("aria-pressed", "true")
        pictures = set()
        for name, count in (("Nine emotions", 9), ("dimensions", 3), ("peak", 2), ("mood", 3)):
            choice.filter(has_text=name).click()
            curves = every_curve(page, "Curves")
            expect(curves).to_have_count(count)
            page.wait_for_timeout(100)
            pictures.add(page.locator(".stage canvas").first.evaluate("(canvas) => canvas.toDataURL()"))
            tab.shoot(f"readouts-{name.replace(' ', '-')}")
        assert len(pictures) == 4
        before = page.locator(".stage canvas").first.evaluate("(canvas) => canvas.toDataURL()")
        curves.filter(has_text="bored").click()
        page.wait_for_timeout(100)
        assert page.locator(".stage canvas").first.evaluate("(canvas) => canvas.toDataURL()") != before
        other = store(client, sound)
        page = tab.open(f"#/compare/{output}/{other}")
        for title in ("Scores", "dimensions", "peak", "mood"):
            expect(page.get_by_role("region", name=title, exact=True).get_by_role("table")).to_be_visible()
        row = page.get_by_role("region", name="dimensions", exact=True).get_by_role("row", name="arousal")
        expect(row.get_by_role("cell").last).to_have_text("0.00")


def test_embeddings_alone(browser: Browser, served: Served, sound: Path) -> None:
    client = served("embeddings")
    output = store(client, sound)
    with opened(browser, str(client.base_url), viewport={"width": 390, "height": 800}) as tab:
        page = shown(tab, output)
        expect(page.get_by_text("This model gives embeddings only: numbers for")).to_be_visible()
        text = page.inner_text("main")
        assert not re.search(r"unknown|100\.0 %|confidence", text, re.IGNORECASE)
        expect(page.get_by_role("group", name="Curves")).to_have_count(0)
        expect(page.get_by_text("no curves over time")).to_have_count(0)
        tab.shoot("readouts-none", whole=True)
        page = tab.open("#/history")
        expect(page.locator("td.emotion").first).to_have_text("embeddings only")
        page = tab.open()
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.get_by_text("nothing to tell while you speak")).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "said"), [("foreign", r"^(rabbia|gioia|paura|calma|noia)$"), ("values", r"arousal\s−?\d")]
)
def test_live(browser: Browser, served: Served, kind: str, said: str) -> None:
    client = served(kind)
    with opened(browser, str(client.base_url)) as tab:
        page = tab.open()
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.locator(".live .name")).to_have_text(re.compile(said))
        expect(page.locator(".live .legend li")).to_have_count(len(KINDS[kind][0].labels))
        tab.shoot(f"readouts-live-{kind}")
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("article.result .stage", timeout=60_000)
        tab.unfold()
        expect(page.locator("[data-readout]")).to_have_count(1)


def test_the_queue(browser: Browser, served: Served, sound: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(2)]
    for path in paths:
        path.write_bytes(sound.read_bytes())
    with opened(browser, str(served("values").base_url)) as tab:
        page = tab.open()
        tab.choose(*paths)
        expect(page.get_by_text("2 of 2 finished")).to_be_visible()
        page.get_by_role("link", name="Recordings", exact=True).click()
        expect(page.locator("td.emotion").first).to_have_text(re.compile(r"arousal\s\d\.\d\d · dominance"))
        expect(page.get_by_role("group", name="Summary")).to_contain_text("arousal")
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV", exact=True).click()
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        assert [row["emotion"] for row in table[:2]] == ["", ""]
        assert float(table[0]["dimensions.arousal"]) == pytest.approx(float(table[1]["dimensions.arousal"]))
        assert not NOT_WORDS.search(page.inner_text("main"))
