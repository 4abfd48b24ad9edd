"""The report: a page to hand on."""

import re
from pathlib import Path

import pytest

from emovox import exports
from emovox.exports import report, warned
from emovox.inference.recognition import WARNINGS, Recognition, Segment
from emovox.inference.talk_time import withheld
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import read_metadata
from emovox.policy import Policy
from support.results import classes, nothing, recognition, recording, segment, values


def run(start: int, end: int, emotion: str = "neutral", **changes: object) -> list[Segment]:
    return [segment(at, at + 3, emotion, **changes) for at in range(start, end, 4)]


CALL = recognition(
    recording=recording(160, name="<call> & co.mp3", speech=117.0),
    segments=[*run(0, 72), *run(72, 100, "angry"), *run(100, 120, unsure=True), *run(120, 156)],
    warnings=["clipped"],
)


def page(result: Recognition, language: str = "en") -> str:
    return "".join(report.pieces(result, Path("no such file"), language))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_says_what_the_summary_says(language: str) -> None:
    text, summary = page(CALL, language), CALL.summary
    assert summary is not None
    assert f"<h1>{summary.headline.in_language(language)}</h1>" in text
    assert f"<p class=sentence>{summary.sentence.in_language(language)}</p>" in text
    assert "&lt;call&gt; &amp; co.mp3" in text
    assert "<call>" not in text
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", text)]
    assert sum(widths) == pytest.approx(100, abs=0.1)
    assert text.count("<table>") == 2
    assert "1:12 – 1:39" in text
    assert ("angry" if language == "en" else "愤怒") in text
    assert "tiny 1" in text
    assert "clipped" in text
    assert "(EU) 2024/1689" in text


def test_warnings_are_in_the_language_of_the_report() -> None:
    assert "削波失真" in page(CALL, "zh")
    assert WARNINGS["clipped"] not in page(CALL, "zh")
    assert f"<li>clipped: {WARNINGS['clipped']}</li>" in page(CALL)
    assert warned.CHINESE.keys() == WARNINGS.keys()
    assert "<li>of_tomorrow: </li>" in page(CALL.model_copy(update={"warnings": ["of_tomorrow"]}), "zh")


def test_it_needs_nothing_from_elsewhere() -> None:
    text = page(CALL)
    assert re.findall(r'(?:src|href)="(?!data:image/png)', text) == []
    assert "<script" not in text
    assert "url(" not in text


def test_without_matplotlib_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "<img" in page(CALL)
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    text = page(CALL)
    assert "<img" not in text
    assert "<h1>" in text


def test_short_recordings_have_no_tables() -> None:
    text = page(recognition(segments=[segment(0, 0.9, "angry")]))
    assert "<h1>angry</h1>" in text
    assert "<table>" not in text


def test_models_with_other_classes_or_values() -> None:
    own = {"moods": classes(**{"<rabbia>": 0.7, "gioia": 0.3})}
    text = page(recognition(**nothing(), readouts=own, segments=[segment(0, 0.9, **nothing(), readouts=own)]))
    assert "<h1>&lt;rabbia&gt;</h1>" in text
    level = {"level": values(arousal=0.62)}
    text = page(recognition(**nothing(), readouts=level, segments=[segment(0, 0.9, **nothing(), readouts=level)]))
    assert "<h1>arousal 0.62</h1>" in text
    assert "class=shares" not in text


def test_without_segments_it_says_what_leads() -> None:
    assert "<h1>happy 100 %</h1>" in page(recognition())


def test_of_whom_nothing_may_be_inferred_there_is_talk_time() -> None:
    voice = CALL.recording.model_copy(update={"side": "worker"})
    result = withheld(CALL.model_copy(update={"recording": voice}), Policy("eu"))
    text = page(result)
    assert "<h1>not inferred (policy eu)</h1>" in text
    assert "Spoke for 1:57." in text
    assert "angry" not in text.replace("<style>", "")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_declared_and_the_sheet_of_the_model(language: str) -> None:
    """Where the model is on this machine; of another revision nothing is said."""
    facts = read_metadata(resolve("lite"))
    declared = CALL.recording.model_copy(
        update={"side": "subject", "purpose": "<quality>", "consent": "form 12/2026"}
    )
    ruling = Policy("research", ethics="ETH-2026-041").rule("subject", "quality", "form 12/2026")
    model = CALL.model.model_copy(update={"name": facts.name, "revision": facts.revision})
    text = page(CALL.model_copy(update={"recording": declared, "policy": ruling, "model": model}), language)
    for part in ("&lt;quality&gt;", "form 12/2026", "ETH-2026-041", "research", "subject"):
        assert part in text.partition("<h2>")[2]
    for part in (facts.licence, *facts.corpora, "emovox models sheet lite"):
        assert part in text
    older = model.model_copy(update={"revision": "5"})
    for other in (older, CALL.model, CALL.model.model_copy(update={"name": "../../etc"})):
        assert "models sheet" not in page(CALL.model_copy(update={"model": other}), language)
    assert {"What was declared", "事先说明"}.isdisjoint(page(CALL, language).split("h2>"))


def test_it_is_one_file(tmp_path: Path) -> None:
    [path] = exports.write(CALL, tmp_path, ["html"])
    assert path.name == "report.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")
