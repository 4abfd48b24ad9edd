"""Tables as CSV. All of it is ASCII, so that a spreadsheet needn't guess the encoding."""

from collections.abc import Iterator

from emovox.emotions import NAMES
from emovox.exports.columns import chunks, frame_columns, segment_columns
from emovox.recognition.recognition import LOGIT_DIGITS, SCORE_DIGITS, Recognition


def segments(recognition: Recognition) -> Iterator[str]:
    """A row for each segment: seconds, emotion, its scores, and the channel where one was heard alone."""
    yield ",".join(segment_columns()) + "\n"
    for item in recognition.segments or []:
        numbers = ",".join(f"{item.scores[name]:.{SCORE_DIGITS}f}" for name in NAMES)
        channel = "" if item.channel is None else item.channel
        yield (
            f"{item.start:.6f},{item.end:.6f},{item.emotion},{item.confidence:.{SCORE_DIGITS}f},"
            f"{numbers},{channel}\n"
        )


def frames(recognition: Recognition) -> Iterator[str]:
    """A row for each frame: seconds, smoothed scores, logits."""
    yield ",".join(frame_columns()) + "\n"
    row = ",".join(["%.6f", *[f"%.{SCORE_DIGITS}f"] * len(NAMES), *[f"%.{LOGIT_DIGITS}f"] * len(NAMES)]) + "\n"
    for chunk in chunks(recognition.frames):
        yield "".join(row % tuple(line) for line in chunk.rows())
