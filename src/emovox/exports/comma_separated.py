"""Tables as CSV: ASCII except for a head's classes, so that a spreadsheet needn't guess the encoding."""

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from emovox.emotions import NAMES
from emovox.exports.columns import chunks, frame_columns, segment_columns
from emovox.inference.frames import LOGIT_DIGITS, SCORE_DIGITS, Frames
from emovox.inference.recognition import Recognition, Segment
from emovox.spreadsheets import writer


def segments(recognition: Recognition) -> Iterator[str]:
    """A row for each segment: times in seconds, emotion, scores, channel, and the verdict of a head."""
    head = recognition.head is not None
    yield line(segment_columns(head=head))
    yield from segment_lines(recognition.segments or [], head=head)


def segment_lines(segments: Iterable[Segment], *, head: bool) -> Iterator[str]:
    """The rows of segments, with or without the columns of a head."""
    for item in segments:
        numbers = ",".join(f"{item.scores[name]:.{SCORE_DIGITS}f}" for name in NAMES)
        channel = "" if item.channel is None else item.channel
        own = ",," if head else ""
        if head and item.head is not None:
            own = "," + line([item.head.label, f"{item.head.confidence:.{SCORE_DIGITS}f}"]).rstrip("\n")
        yield (
            f"{item.start:.6f},{item.end:.6f},{item.emotion},{item.confidence:.{SCORE_DIGITS}f},"
            f"{numbers},{channel}{own}\n"
        )


def frames(recognition: Recognition) -> Iterator[str]:
    """A row for each frame: its time in seconds, smoothed scores, logits, and a head's smoothed scores."""
    labels = (recognition.frames and recognition.frames.head_labels) or []
    yield line(frame_columns(labels))
    for lines in frame_lines(recognition.frames, labels):
        yield "".join(lines)


def frame_lines(frames: Frames | None, labels: Sequence[str]) -> Iterator[list[str]]:
    """The rows of frames, in chunks, with columns for these classes of a head; those that it lacks stay empty."""
    known = (frames and frames.head_labels) or []
    digits = [6, *[SCORE_DIGITS] * len(NAMES), *[LOGIT_DIGITS] * len(NAMES)]
    cells = [f"%.{count}f" for count in digits]
    cells += [f"%.{SCORE_DIGITS}f" if label in known else "%.0s" for label in labels]
    row = ",".join(cells) + "\n"
    for chunk in chunks(frames, labels):
        yield [row % tuple(numbers) for numbers in chunk.rows()]


def line(cells: Sequence[object]) -> str:
    """A line of cells that may hold commas and quotes, as a head's classes do."""
    text = StringIO()
    writer(text)(cells)
    return text.getvalue()
