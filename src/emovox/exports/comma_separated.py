"""Tables as CSV: ASCII except for labels of readouts, so that a spreadsheet needn't guess the encoding."""

from collections.abc import Iterable, Iterator
from io import StringIO

from emovox.emotions import NAMES
from emovox.exports.columns import Cell, Layout, chunks
from emovox.inference.frames import LOGIT_DIGITS, SCORE_DIGITS, Frames
from emovox.inference.raw import raw_frames
from emovox.inference.recognition import Recognition, Segment
from emovox.spreadsheets import writer


def segments(recognition: Recognition) -> Iterator[str]:
    """A row for each segment: times in seconds, emotion, scores, channel, and what readouts give.

    Where a side was declared, or the policy isn't `open`, also whose voice it is and the policy's profile; and
    purpose and consent, if they were declared.
    """
    layout, baseline = Layout.of(recognition), _baseline(recognition)
    rows = segment_lines(recognition.segments or [], layout, baseline)
    yield from _declared(recognition, layout.segment_columns(), rows)


def lines(recognition: Recognition) -> Iterator[str]:
    """A row for each line of text, with the columns of segments, and the text behind the times."""
    layout, baseline = Layout.of(recognition), _baseline(recognition)
    rows = (_row(layout.line_cells(item, baseline)) for item in recognition.lines or [])
    yield from _declared(recognition, layout.line_columns(), rows)


def _baseline(recognition: Recognition) -> str | None:
    return recognition.baseline.name if recognition.baseline else None


def _declared(recognition: Recognition, columns: Iterable[str], rows: Iterable[str]) -> Iterator[str]:
    """A table's lines, with the columns of what was declared of the recording."""
    policy = recognition.policy
    own: dict[str, object] = {**recognition.recording.notes}
    if policy is not None:
        own = {"side": recognition.recording.side, "policy": policy.profile, **own}
    yield line([*columns, *own])
    end = f",{line(own.values())}" if own else "\n"
    for row in rows:
        yield row.removesuffix("\n") + end


def segment_lines(segments: Iterable[Segment], layout: Layout, baseline: str | None = None) -> Iterator[str]:
    """The rows of segments, with the columns of a layout; `baseline` is the name of theirs."""
    for item in segments:
        yield _row(layout.segment_cells(item, baseline))


def _row(cells: Iterable[Cell]) -> str:
    return line([f"{cell:.{SCORE_DIGITS}f}" if isinstance(cell, float) else cell for cell in cells])


def frames(recognition: Recognition) -> Iterator[str]:
    """A row for each frame: its time in seconds, smoothed scores, logits, and what readouts give."""
    layout = Layout.of(recognition)
    yield line(layout.frame_columns())
    for lines in frame_lines(recognition.frames, layout, raw_frames(recognition)):
        yield "".join(lines)


def frame_lines(frames: Frames | None, layout: Layout, without: Frames | None = None) -> Iterator[list[str]]:
    """The rows of frames, in chunks, with the columns of a layout; what isn't a number stays empty."""
    digits = [6, *[SCORE_DIGITS] * len(NAMES), *[LOGIT_DIGITS] * len(NAMES)]
    digits += [SCORE_DIGITS] * (len(layout.frame_columns()) - len(digits))
    row = ",".join(f"%.{count}f" for count in digits) + "\n"
    for chunk in chunks(frames, layout, without):
        rows = zip(chunk.times.tolist(), chunk.numbers.tolist(), strict=True)
        yield [(row % (time, *numbers)).replace("nan", "") for time, numbers in rows]


def line(cells: Iterable[object]) -> str:
    """A line of cells that may hold commas and quotes, as labels do."""
    text = StringIO()
    writer(text)(cells)
    return text.getvalue()
