"""The plan: what an upgrade would do, what it could not, and how long it would take."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from emovox.baselines.baseline import Baseline
from emovox.errors import EmovoxError
from emovox.inference.recognizer import Recognizer
from emovox.models.head import Head
from emovox.upgrade.fitted import families, unfittable, untrainable
from emovox.upgrade.material import Material
from emovox.upgrade.selection import Selection, waiting
from emovox.upgrade.staging import Staging

NO_SOUND = "neither their sound nor the recording is there any more"
_TRIED = 4  # recordings by which it is estimated how long all take


@dataclass
class Plan:
    """What there is to do.

    Attributes:
        records: by the revision that recognised them.
        doable: how many of them have sound, and heads and baselines that are to be had.
        staged: how many of those an upgrade that broke off has made.
        seconds: of sound in the others.
        left: how many stay as they are, by why.
        without: how many will be without a head or baseline that is gone, by its name.
        heads: of another revision, with why one stays as it is; empty: nothing says so yet.
        baselines: likewise.
        estimate: seconds that recognition will take; None: nothing was tried.
    """

    records: Counter[str] = field(default_factory=Counter)
    doable: int = 0
    staged: int = 0
    seconds: float = 0.0
    left: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    heads: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)
    estimate: float | None = None


def plan(selection: Selection, recognizer: Recognizer, *, estimate: bool = False) -> Plan:
    """What there is to do.

    Args:
        selection: of what.
        recognizer: the model.
        estimate: whether to try how long some recordings take.

    Raises:
        DecoderError: as `Recognizer.recognize`.
    """
    result, tried = Plan(), list[Material]()
    result.heads = {item.name: untrainable(item) for item in selection.fitted(Head)}
    for whole, members in families(selection.fitted(Baseline)):
        reason = unfittable(whole, members)
        result.baselines |= {item.name: reason for item in (*([] if whole is None else [whole]), *members)}
    made = Staging.made(recognizer.model)
    for material in selection.materials():
        record = material.record
        result.records[record.revision] += 1
        reason = waiting(material, result.heads, result.baselines)
        staged = record.id in made
        if not staged and material.sound is None:
            reason = reason or NO_SOUND
        if reason:
            result.left[reason] += 1
            continue
        result.without.update(selection.gone(material))
        result.doable += 1
        result.staged += staged
        if not staged:
            result.seconds += record.duration or 0.0
            tried += [material] if len(tried) < _TRIED else []
    if estimate and tried:
        result.estimate = _pace(tried, recognizer) * result.seconds
    return result


def _pace(tried: list[Material], recognizer: Recognizer) -> float:
    """Seconds for a second of sound."""
    seconds = duration = 0.0
    for number, material in enumerate([tried[0], *tried]):  # the first time is for warming up
        sound, started = material.sound, time.monotonic()
        if sound is not None:
            with suppress(EmovoxError):
                options = material.options(sound, None)
                recognizer.recognize(sound.path, **options, embedding=True, embedding_sink=lambda _: None)
        if number:
            seconds, duration = seconds + time.monotonic() - started, duration + (material.record.duration or 0.0)
    return seconds / duration if duration else 0.0
