"""Tables as CSV: ASCII except for labels of readouts, so that a spreadsheet needn't guess the encoding."""

from collections.abc import Iterable, Iterator
from io import StringIO

from emovox.emotions import NAMES
from emovox.exports.columns import Layout, chunks
from emovox.inference.frames import LOGIT_DIGITS, SCORE_DIGITS, Frames
from emovox.inference.raw import raw_frames
from emovox.inference.recognition import Recognition, Segment
from emovox.spreadsheets import writer


def segments(recognition: Recognition) -> Iterator[str]:
    """A row for each segment: times in seconds, emotion, scores, channel, and what readouts give.

    Where a side was declared, or the policy isn't `open`, also whose voice it is and the policy's profile; and
    purpose and consent, if they were declared.
    """
    baseline = recognition.baseline.name if recognition.baseline else None
    layout, policy = Layout.of(recognition), recognition.policy
    own: dict[str, object] = {**recognition.recording.notes}
    if policy is not None:
        own = {"side": recognition.recording.side, "policy": policy.profile, **own}
    yield line([*layout.segment_columns(), *own])
    end = f",{line(own.values())}" if own else "\n"
    for row in segment_lines(recognition.segments or [], layout, baseline):
        yield row.removesuffix("\n") + end


def segment_lines(segments: Iterable[Segment], layout: Layout, baseline: str | None = None) -> Iterator[str]:
    """The rows of segments, with the columns of a layout; `baseline` is the name of theirs."""
    for item in segments:
        cells = layout.segment_cells(item, baseline)
        yield line([f"{cell:.{SCORE_DIGITS}f}" if isinstance(cell, float) else cell for cell in cells])


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
