"""Talk time: what a result has of a voice of which nothing may be inferred."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE
from emovox.inference.abstention import as_ruled
from emovox.inference.recognition import (
    ABSTAINED,
    BASELINE_FAR,
    BASELINE_SHORT,
    MOSTLY_SILENCE,
    NO_HEAD,
    NO_SPEECH,
    NOT_INFERRED,
    SCHEMA,
    UNSURE,
    Line,
    ModelFacts,
    Recognition,
    Segment,
    format_timestamp,
)
from emovox.inference.recording_facts import RecordingFacts
from emovox.policy import Policy, Ruling, Side
from emovox.version import __version__
from emovox.words import Cue

_OF_VERDICTS = frozenset({ABSTAINED, BASELINE_FAR, BASELINE_SHORT, MOSTLY_SILENCE, NO_HEAD, NO_SPEECH, UNSURE})


def stated(ruling: Ruling, side: Side | None) -> Ruling | None:
    """A ruling as results state it: not where nobody said whose voice it is and everything is allowed."""
    return None if side is None and ruling.profile == "open" and not ruling.abstain else ruling


def talk_time(
    facts: RecordingFacts,
    warnings: Sequence[str],
    spans: Sequence[Span],
    *,
    ruling: Ruling,
    model: ModelFacts,
    created_at: datetime,
    words: Sequence[Cue] | None = None,
) -> Recognition:
    """The result of a recording that no model has seen: its speech, and no emotion of it.

    Args:
        facts: of the recording.
        warnings: codes; those of what distorts a verdict are left out.
        spans: of speech; they become segments, asked for or not.
        ruling: why there is nothing else.
        model: that wasn't run.
        created_at: when it was read.
        words: lines of text, which are given as they are.
    """
    segments = [
        Segment(start=span.start / SAMPLE_RATE, end=span.end / SAMPLE_RATE, channel=facts.channel)
        for span in spans
    ]
    lines = None if words is None else bare(words)
    return _result(facts, warnings, segments, lines, ruling=ruling, model=model, created_at=created_at)


def bare(words: Iterable[Cue | Line]) -> list[Line]:
    """Lines of text alone."""
    return [Line(start=item.start, end=item.end, text=item.text) for item in words]


def withheld(recognition: Recognition, policy: Policy) -> Recognition:
    """A recognition as the policy allows it, without its frames where something is left out.

    Of a voice of which nothing may be inferred that is its talk time alone. Results that were made under another
    policy are read by it.
    """
    if not recognition.is_inferred:
        return recognition
    ruling = policy.ruling(recognition.recording.side)
    if ruling.inferred:
        return as_ruled(recognition.model_copy(update={"frames": None}), ruling) if ruling.abstain else recognition
    segments = [
        Segment(start=item.start, end=item.end, channel=item.channel) for item in recognition.segments or ()
    ]
    return _result(
        recognition.recording,
        recognition.warnings,
        segments,
        None if recognition.lines is None else bare(recognition.lines),
        ruling=ruling,
        model=recognition.model,
        created_at=recognition.created_at,
    )


def _result(
    facts: RecordingFacts,
    warnings: Sequence[str],
    segments: list[Segment],
    lines: list[Line] | None,
    *,
    ruling: Ruling,
    model: ModelFacts,
    created_at: datetime,
) -> Recognition:
    return Recognition(
        granularity="utterance",
        timestamp=format_timestamp(created_at),
        schema=SCHEMA,
        created_at=created_at,
        recording=facts,
        model=model,
        emovox=__version__,
        warnings=[*(code for code in warnings if code not in _OF_VERDICTS), NOT_INFERRED],
        policy=ruling,
        lines=lines,
        segments=segments,
    )
