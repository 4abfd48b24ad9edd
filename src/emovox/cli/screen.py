"""What `emovox listen` shows: a screen on a terminal, lines elsewhere, or JSON lines."""

import json
import math
import sys
from collections.abc import Sequence
from types import TracebackType

import click
import rich.live
from rich.console import Console, Group
from rich.text import Text

from emovox.cli.report import bar, clock, label
from emovox.emotions import BY_NAME, EMOTIONS
from emovox.inference.live import EmotionChanged, Event, EventsVersion, LiveUpdate

QUIETEST = -60.0  # dBFS, the lower end of the level meter

_WORDS = {
    "en": {"speech": "speech", "pause": "pause", "nobody": "no speech", "lost": "audio dropouts:"},
    "zh": {"speech": "有人说话", "pause": "停顿", "nobody": "无人说话", "lost": "声音丢失次数："},
}


class Lines:
    """A line for every change. Override to show more."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.words = _WORDS[language]

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
            if isinstance(event, EmotionChanged):
                click.echo(self.line(event))
                sys.stdout.flush()

    def line(self, change: EmotionChanged) -> str:
        """One line for a change."""
        if change.emotion is None:
            return f"{clock(change.time):>9}  –  {self.words['nobody']}"
        shown = f"{BY_NAME[change.emotion].emoji} {label(change.emotion, self.language)}"
        return f"{clock(change.time):>9}  {shown}  {100 * (change.confidence or 0):.0f} %"


class JsonLines(Lines):
    """Every event as a line of JSON."""

    def __init__(self, language: str, events: EventsVersion) -> None:
        super().__init__(language)
        self._version = events

    def show(self, events: Sequence[Event], *, seconds: float, peak: float, lost: int) -> None:  # noqa: D102
        for event in events:
            click.echo(json.dumps(event.to_dict(self._version), ensure_ascii=False))
        if events:
            sys.stdout.flush()


class Screen(Lines):
    """The current emotion, the nine scores and the level, with the changes scrolling by above."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self._console = Console(highlight=False)
        self._live = rich.live.Live(console=self._console, auto_refresh=False, transient=True)
        self._update: LiveUpdate | None = None
        self._emotion: str | None = None

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
            else:
                self._update = event
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
        if self._emotion is None:
            present = Text(f"   {self.words['nobody']}", style="dim")
        else:
            emotion = BY_NAME[self._emotion]
            present = Text(f"{emotion.emoji} {label(emotion.name, self.language)}", "bold")
        rows = []
        for emotion in EMOTIONS:
            score = (update.scores or {}).get(emotion.name, 0.0) if update is not None else 0.0
            name = Text(f"{emotion.emoji} {label(emotion.name, self.language)}")
            name.truncate(14, pad=True)
            rows.append(Text.assemble(name, (bar(score), emotion.dark_colour), f" {100 * score:5.1f} %"))
        return Group(Text(), state, present, *rows)
