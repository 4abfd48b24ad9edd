"""The screen and the lines of `emovox listen`, with models that don't give the nine."""

import io
from typing import Any

import pytest
from rich.console import Console

from emovox.cli.screen import Lines, Screen
from emovox.inference.live import EmotionChanged, LiveUpdate
from emovox.inference.recognition import ReadoutResult
from support.results import classes, head, recognition, values


def update(time: float, *, nine: bool = False, **readouts: ReadoutResult) -> LiveUpdate:
    happy = recognition()
    facts: dict[str, Any] = {name: getattr(happy, name) for name in ("emotion", "confidence", "scores")}
    return LiveUpdate(time=time, speech=bool(readouts), readouts=readouts, **(facts if nine else {}))


def lines(capsys: pytest.CaptureFixture[str], *events: LiveUpdate | EmotionChanged) -> list[str]:
    display = Lines("en")
    for event in events:
        display.show([event], seconds=event.time, peak=0, lost=0)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def picture(screen: Screen, *events: LiveUpdate | EmotionChanged) -> list[str]:
    """What is on it in the end, without the changes above."""
    for event in events:
        screen.show([event], seconds=event.time, peak=0.1, lost=0)
    console = Console(file=io.StringIO(), width=100)
    console.print(screen._picture(1, 0.1, 0))
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()[2:]]


def test_a_line_when_another_class_has_led_twice(capsys: pytest.CaptureFixture[str]) -> None:
    rabbia, gioia = classes(rabbia=0.75, gioia=0.25), classes(rabbia=0.25, gioia=0.75)
    moods = [rabbia, rabbia, gioia, rabbia, gioia, gioia, gioia]
    events = [update(0.25 * (index + 1), moods=item) for index, item in enumerate(moods)]
    assert lines(capsys, update(0.1), *events, update(9), update(9.25)) == [
        "0:00.5 rabbia 75 %", "0:01.5 gioia 75 %", "0:09.0 – no speech",
    ]  # fmt: skip


def test_values_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    events = [update(0.25 * index, mood=values(arousal=index / 16, valence=-0.001)) for index in range(2, 9)]
    assert lines(capsys, *events, update(9)) == [
        "0:00.5 arousal 0.12 · valence 0.00", "0:01.0 arousal 0.25 · valence 0.00",
        "0:02.0 arousal 0.50 · valence 0.00", "0:09.0 – no speech",
    ]  # fmt: skip


def test_the_nine_have_their_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    change = EmotionChanged(time=1, emotion="happy", previous=None, confidence=1)
    events = [update(0.25 * index, nine=True, mine=head(a=0.75, b=0.25)) for index in range(1, 9)]
    assert lines(capsys, *events, change, update(9)) == ["0:01.0 😊 happy 100 %"]


def test_the_screen_of_the_nine_is_as_ever() -> None:
    shown = picture(Screen("en"), update(1, nine=True))
    assert len(shown) == 10
    assert shown[4].startswith("😊 happy")


def test_a_screen_of_classes() -> None:
    many = {f"class {number}": (number + 1) / 120 for number in range(15)}
    shown = picture(Screen("zh", nine=False), *[update(time, moods=classes(**many)) for time in (0.25, 0.5)])
    assert shown[0] == "   class 14"
    assert [line.split("  ")[0] for line in shown[1:]] == [f"class {number}" for number in range(6, 15)]
    assert shown[-1].endswith(" 12.5 %")


def test_a_screen_of_values_whose_rows_stay_in_a_pause() -> None:
    screen = Screen("en", nine=False)
    assert picture(screen) == ["   no speech"]
    mood, own = values((-1, 1), arousal=0.5), classes(angry=0.75, x=0.25)
    shown = picture(screen, *[update(time, mood=mood, own=own) for time in (0.25, 0.5)])
    assert [" ".join(line.split()) for line in shown] == [
        "angry", "mood", "arousal 0.50 (-1…1) ███████████████",
        "own", "angry ███████████████ 75.0 %", "x █████ 25.0 %",
    ]  # fmt: skip
    shown = picture(screen, update(2))
    assert [" ".join(line.split()) for line in shown] == [
        "no speech", "mood", "arousal –", "own", "angry 0.0 %", "x 0.0 %",
    ]  # fmt: skip


def test_a_head_stands_below_the_nine() -> None:
    shown = picture(Screen("en"), update(1, nine=True, mine=head(promoter=0.75, other=0.25)))
    assert [line.split()[0] for line in shown[10:]] == ["mine", "promoter", "other"]
