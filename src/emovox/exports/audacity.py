"""Audacity's label track."""

from collections.abc import Iterator

from emovox.exports.spans import spans
from emovox.exports.verdict import verdict_in
from emovox.inference.recognition import Recognition

_RATE = 1_000_000  # Audacity writes six decimals itself


def lines(recognition: Recognition, language: str) -> Iterator[str]:
    """Start, end and label of each segment, between tabs."""
    for span in spans(recognition, _RATE):
        label = verdict_in(recognition, span.segment, language).with_confidence
        yield f"{span.start / _RATE:.6f}\t{span.end / _RATE:.6f}\t{label}\n"
