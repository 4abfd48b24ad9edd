"""Tables as CSV. All of it is ASCII, so that a spreadsheet needn't guess the encoding, but a head's classes."""

from collections.abc import Iterator, Sequence
from io import StringIO

from emovox.emotions import NAMES
from emovox.exports.columns import chunks, frame_columns, segment_columns
from emovox.recognition.recognition import LOGIT_DIGITS, SCORE_DIGITS, Recognition
from emovox.spreadsheets import writer


def segments(recognition: Recognition) -> Iterator[str]:
    """A row for each segment: seconds, emotion, its scores, the channel heard alone, and what a head hears."""
    yield _line(segment_columns(recognition))
    for item in recognition.segments or []:
        numbers = ",".join(f"{item.scores[name]:.{SCORE_DIGITS}f}" for name in NAMES)
        channel = "" if item.channel is None else item.channel
        head = "" if recognition.head is None else ",,"
        if item.head is not None:
            head = "," + _line([item.head.label, f"{item.head.confidence:.{SCORE_DIGITS}f}"]).rstrip("\n")
        yield (
            f"{item.start:.6f},{item.end:.6f},{item.emotion},{item.confidence:.{SCORE_DIGITS}f},"
            f"{numbers},{channel}{head}\n"
        )


def frames(recognition: Recognition) -> Iterator[str]:
    """A row for each frame: seconds, smoothed scores, logits, and a head's smoothed scores."""
    columns = frame_columns(recognition)
    yield _line(columns)
    digits = [6, *[SCORE_DIGITS] * len(NAMES), *[LOGIT_DIGITS] * len(NAMES)]
    digits += [SCORE_DIGITS] * (len(columns) - len(digits))
    row = ",".join(f"%.{count}f" for count in digits) + "\n"
    for chunk in chunks(recognition.frames):
        yield "".join(row % tuple(line) for line in chunk.rows())


def _line(cells: Sequence[str]) -> str:
    """A line of cells that may hold commas and quotes, as a head's classes do."""
    text = StringIO()
    writer(text)(cells)
    return text.getvalue()
