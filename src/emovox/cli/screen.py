"""What `emovox listen` shows: a screen on a terminal, lines elsewhere, or JSON lines."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import click
import rich.live
from rich.console import Console, Group
from rich.text import Text

from emovox.cli.report import bar, clock, fitted, label, printable, values
from emovox.emotions import BY_NAME, EMOTIONS
from emovox.exports import palette
from emovox.exports.verdict import Verdict, verdict
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.live import EmotionChanged, Event, LiveUpdate
from emovox.inference.recognition import ReadoutResult

QUIETEST = -60.0  # dBFS, the lower end of the level meter

_WORDS = {
    "en": {"speech": "speech", "pause": "pause", "nobody": "no speech", "lost": "audio dropouts:"},
    "zh": {"speech": "有人说话", "pause": "停顿", "nobody": "无人说话", "lost": "声音丢失次数："},
}


class Lines:
    """A line for every change. Override to show more.

    Of a model that doesn't give the nine: when another class has led twice in a row, or the values once a second.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.words = _WORDS[language]
        self._lead: Verdict | None = None  # of such a model
        self._candidate, self._second = "", -1

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Leave what was shown as it is."""

    def show(self, events: Sequence[Event], *, seconds: float, peak: float, lost: int) -> None:
        """Show new events.

        Args:
            events: since the last time.
            seconds: of sound so far.
            peak: of the sound since the last time, full scale 1.
            lost: how often sound was lost.
        """
        for event in events:
            line = self.line(event) if isinstance(event, EmotionChanged) else self.readout_line(event)
            if line is not None:
                click.echo(line)
                sys.stdout.flush()

    def readout_line(self, update: LiveUpdate) -> str | None:
        """One line for what a model says that doesn't give the nine, if it is new."""
        if update.emotion is not None or not (update.readouts or self._lead):
            return None
        if not update.readouts:
            self._lead, self._candidate, self._second = None, "", -1
            return f"{clock(update.time):>9}  –  {self.words['nobody']}"
        lead, before = verdict(update, self.language), self._candidate
        self._candidate = "" if lead.confidence is None else lead.text
        if lead.confidence is None:
            new, self._second = int(update.time) != self._second, int(update.time)
        else:
            new = lead.text == before and (self._lead is None or lead.text != self._lead.text)
        if not new:
            return None
        self._lead = lead
        share = "" if lead.confidence is None else f"  {100 * lead.confidence:.0f} %"
        return f"{clock(update.time):>9}  {printable(lead.text)}{share}"

    def line(self, change: EmotionChanged) -> str:
        """One line for a change."""
        if change.emotion is None:
            return f"{clock(change.time):>9}  –  {self.words['nobody']}"
        shown = f"{BY_NAME[change.emotion].emoji} {label(change.emotion, self.language)}"
        return f"{clock(change.time):>9}  {shown}  {100 * (change.confidence or 0):.0f} %"


class JsonLines(Lines):
    """Every event as a line of JSON; and what those behind it are relative to, wherever that becomes another."""

    def __init__(self, language: str, baseline: Callable[[], BaselineFacts | None]) -> None:
        """Begin.

        Args:
            language: of the emotions.
            baseline: tells what they are relative to at present.
        """
        super().__init__(language)
        self._baseline, self._checksum = baseline, ""

    def show(self, events: Sequence[Event], *, seconds: float, peak: float, lost: int) -> None:  # noqa: D102
        facts = self._baseline()
        if facts is not None and facts.checksum != self._checksum:
            self._checksum = facts.checksum
            line = {"type": "baseline", "baseline": facts.model_dump(mode="json")}
            click.echo(json.dumps(line, ensure_ascii=False))
        for event in events:
            click.echo(json.dumps(event.to_dict(), ensure_ascii=False))
        if events:
            sys.stdout.flush()


class Screen(Lines):
    """What leads, the scores and values, and the level, with the changes scrolling by above."""

    def __init__(self, language: str, *, nine: bool = True) -> None:
        """Begin.

        Args:
            language: of the emotions.
            nine: whether the model gives the nine emotions.
        """
        super().__init__(language)
        self._nine = nine
        self._console = Console(highlight=False)
        self._live = rich.live.Live(console=self._console, auto_refresh=False, transient=True)
        self._update: LiveUpdate | None = None
        self._emotion: str | None = None
        self._latest: dict[str, ReadoutResult] = {}  # of which there were any, so that rows don't come and go

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Clear the screen; the changes stay."""
        self._live.stop()

    def show(self, events: Sequence[Event], *, seconds: float, peak: float, lost: int) -> None:  # noqa: D102
        for event in events:
            if isinstance(event, EmotionChanged):
                self._emotion = event.emotion
                self._console.print(Text(self.line(event)))
                continue
            self._update = event
            self._latest |= event.readouts
            if (line := self.readout_line(event)) is not None:
                self._console.print(Text(line))
        self._live.update(self._picture(seconds, peak, lost), refresh=True)

    def _picture(self, seconds: float, peak: float, lost: int) -> Group:
        update = self._update
        speech = update is not None and update.speech
        decibels = 20 * math.log10(max(peak, 1e-6))
        meter = bar(min(max(1 - decibels / QUIETEST, 0), 1))
        state = Text.assemble(
            ("● ", "green" if speech else "dim"),
            f"{clock(seconds)}  {self.words['speech' if speech else 'pause']}  ",
            (meter, "red" if peak >= 1 else "green"),
            f" {max(decibels, QUIETEST):.0f} dBFS",
            (f"  {self.words['lost']} {lost}" if lost else "", "red"),
        )
        if self._emotion is not None:
            emotion = BY_NAME[self._emotion]
            present = Text(f"{emotion.emoji} {label(emotion.name, self.language)}", "bold")
        elif self._lead is not None:
            present = Text(f"   {printable(self._lead.text)}", "bold")
        else:
            present = Text(f"   {self.words['nobody']}", style="dim")
        rows = []
        for emotion in EMOTIONS if self._nine else ():
            score = (update.scores or {}).get(emotion.name, 0.0) if update is not None else 0.0
            name = Text(f"{emotion.emoji} {label(emotion.name, self.language)}")
            name.truncate(14, pad=True)
            rows.append(_row(name, score, emotion.dark_colour))
        readouts = {} if update is None else update.readouts
        for key, item in self._latest.items():
            if self._nine or len(self._latest) > 1:
                rows.append(Text(printable(key), "dim"))
            rows += _rows(item, readouts.get(key))
        return Group(Text(), state, present, *rows)


def _row(name: Text, score: float, colour: str) -> Text:
    return Text.assemble(name, (bar(score), colour), f" {100 * score:5.1f} %")


def _rows(shape: ReadoutResult, now: ReadoutResult | None) -> Iterator[Text]:
    """The rows of a readout: of its latest result those classes that scored highest then, or its values.

    Args:
        shape: the latest result.
        now: the same while somebody speaks, else None.
    """
    scores = shape.scores or {}
    lowest = sorted(scores.values())[-len(EMOTIONS) :][:1]
    for index, (name, score) in enumerate(scores.items()):
        if score >= lowest[0]:
            shown = 0.0 if now is None or now.scores is None else now.scores[name]
            yield _row(Text(fitted(name, 14)), shown, palette.colour(index, dark=True))
    if now is None:
        for name in shape.values or {}:
            yield Text(f"{fitted(name, 14)}     –")
    else:
        yield from map(Text, values(now, 14))
