"""The rule: how far a baseline moves the logits of a model.

Logits are computed from e − m + m* instead of an embedding e: m is the mean of the baseline's recordings, and m*
that of a plausible mixture of emotions for this model, known from the mean embeddings of labelled speech in its
metadata. Moving the mean to zero instead would make emotions of what is mostly neutral. The mean of n recordings
is itself uncertain, and of few it is what they happened to say: so it is shrunk towards what is known without
them, by n / (n + k), as the mean of normal numbers with a normal prior is, k being the variance of one of them
over the prior's.

For a linear readout all of it is one constant for each class, W (m* − m). How much of the recordings is neutral,
nobody knows, and a mean that lies more towards neutral than expected may as well be of calmer recordings as of a
calmer line: so along the line from the other emotions to neutral, the shift goes only a part of the way. What a
logit has in it for a class being usual in the world goes for the most part, as the mixture says that now: both
together would call nearly everything neutral.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.baseline import Baseline, Vector
from emovox.emotions import NAMES
from emovox.errors import BaselineError, OptionsError
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout

ALONE, IN_GROUP = 4, 30
"""Recordings with which a baseline counts half: towards no shift, and towards its group's mean."""
NEUTRAL = 0.5
"""Share of neutral that is expected where nobody says."""
ALONG_NEUTRAL = 0.5
"""How far the shift goes between the others and neutral, of 1: what lies there may be what was said."""
KEPT = 0.25
"""Share of what a logit has in it for being usual that stays."""
_NO_EMOTION = ("other", "unknown")


@dataclass(frozen=True)
class Shift:
    """How a baseline moves a readout.

    Attributes:
        baseline: that does.
        readout: its name.
        expectation: share of each emotion that the baseline's recordings are taken to have.
        logits: what is added to the logits, float64 (K,), by the readout's label.
    """

    baseline: Baseline
    readout: str
    expectation: dict[str, float]
    logits: dict[str, float]

    @property
    def vector(self) -> Vector:
        """float64 (K,)."""
        return np.array(list(self.logits.values()))


def check_expectation(expect: Mapping[str, float]) -> dict[str, float]:
    """Shares of emotions by the names of the nine, as somebody gave them.

    Raises:
        OptionsError: a name is none of those, or a share isn't from 0 to 1, or they are more than 1 together.
    """
    for name, share in expect.items():
        if name not in NAMES or name in _NO_EMOTION:
            choice = ", ".join(word for word in NAMES if word not in _NO_EMOTION)
            raise OptionsError(f"expect {name!r:.100}: choose among {choice}")
        if not 0 <= share <= 1:
            raise OptionsError(f"expect {name}={share:g}: give a share from 0 to 1")
    if sum(expect.values()) > 1 + 1e-6:
        raise OptionsError(f"expect: the shares come to {sum(expect.values()):g}, which is more than 1")
    return dict(expect)


def parse_expectation(text: str) -> dict[str, float]:
    """Shares of emotions from `neutral=0.8,sad=0.1`.

    Raises:
        OptionsError: it can't be read.
    """
    shares: dict[str, float] = {}
    for part in re.split("[,，、]", text):
        name, _, share = part.partition("=")
        if (name := name.strip().lower()) in shares:
            raise OptionsError(f"expect {name!r:.100}: it is there twice")
        try:
            shares[name] = float(share)
        except ValueError:
            raise OptionsError(f"expect {part.strip()!r:.100}: give it as neutral=0.8") from None
    return check_expectation(shares)


def expectation(
    readout: Readout, expect: Mapping[str, float] | None, emotions: Collection[str] | None = None
) -> dict[str, float]:
    """The share of each emotion in the mixture that a baseline is moved to.

    Half neutral, the other half shared equally by the other emotions of which the readout has reference means;
    what is said otherwise holds, and the rest is shared likewise.

    Args:
        readout: with reference means.
        expect: shares that somebody said.
        emotions: those that may win; None: all.

    Raises:
        BaselineError: it has no reference means, or none of these.
        OptionsError: a share of an emotion that it has no reference mean of, or that can't win.
    """
    known = {readout.emotions[label] for label in readout.reference if label in readout.emotions}
    names = [name for name in NAMES if name in known and name not in _NO_EMOTION]
    names = [name for name in names if emotions is None or name in emotions]
    if not names:
        raise BaselineError(
            "the model has no reference means of these emotions: nothing can be moved towards them"
        )
    shares = check_expectation({"neutral": NEUTRAL} if expect is None and "neutral" in names else expect or {})
    if strange := [name for name in shares if name not in names]:
        raise OptionsError(f"expect {strange[0]}: here the model knows {', '.join(names)}")
    rest = [name for name in names if name not in shares]
    left = 1 - sum(shares.values())
    if not rest:
        if left > 1e-6 and expect is not None:
            raise OptionsError(
                f"expect: the shares come to {1 - left:g}, and no other emotion is left for the rest"
            )
        return {name: share / (1 - left) for name, share in shares.items()}
    return {name: shares.get(name, left / len(rest)) for name in names}


@dataclass(frozen=True)
class Shifting:
    """What a model makes of any baseline, for where that is known only later. Can be pickled.

    Attributes:
        metadata: of the model, with reference means.
        weights: of its readout of emotions, (K, D); None: its file doesn't show them.
        expect: as of `shift`.
        emotions: likewise.
    """

    metadata: Metadata
    weights: NDArray[np.floating] | None
    expect: Mapping[str, float] | None
    emotions: Collection[str] | None

    def __call__(self, baseline: Baseline) -> Shift:
        """As `shift`."""
        return shift(baseline, self.metadata, self.weights, expect=self.expect, emotions=self.emotions)


def shift(
    baseline: Baseline,
    metadata: Metadata,
    weights: NDArray[np.floating] | None,
    *,
    expect: Mapping[str, float] | None = None,
    emotions: Collection[str] | None = None,
) -> Shift:
    """How far a baseline moves the logits of a model's emotions.

    Args:
        baseline: made with this model.
        metadata: of the model.
        weights: of its readout of emotions, (K, D); None: its file doesn't show them.
        expect: shares of emotions that the baseline's recordings are taken to have, as `expectation` has it.
        emotions: those of the nine that may win; None: all.

    Raises:
        BaselineError: it is another model's, or nothing of this model can be moved.
        OptionsError: `expect` has a share that means nothing.
    """
    baseline.check(metadata)
    readout = movable(metadata)
    if not readout.reference:
        raise BaselineError(
            f"{metadata.name} has no reference means: it isn't known where a baseline should be moved to"
        )
    if weights is None:
        raise BaselineError(
            f"the file of {metadata.name} doesn't show how its emotions follow from embeddings, so they can't be "
            "moved: choose --precision fp32"
        )
    shares = expectation(readout, expect, emotions)
    prior = np.array([readout.prior.get(label, 0.0) for label in readout.labels])
    matrix = weights.astype(np.float64)
    vector = matrix @ (_mixture(readout, shares) - _mean(baseline))
    vector = _less_along(vector, matrix @ _towards_neutral(readout, shares)) - (1 - KEPT) * prior
    vector = vector * _strength(baseline)
    return Shift(baseline, readout.name, shares, dict(zip(readout.labels, vector.tolist(), strict=True)))


def movable(metadata: Metadata) -> Readout:
    """The readout of a model that a baseline moves.

    Raises:
        BaselineError: there is none; the message says why.
    """
    readout = metadata.emotions
    if readout is None:
        raise BaselineError(f"{metadata.name} doesn't give the nine emotions: no baseline can move them")
    if readout.kind != "linear":
        raise BaselineError(
            f"the emotions of {metadata.name} aren't linear in its embeddings: no baseline can move them"
        )
    return readout


def _mixture(readout: Readout, shares: Mapping[str, float]) -> Vector:
    """The mean embedding (D,) of a mixture; an emotion that several labels mean is their mean."""
    total = np.zeros(len(next(iter(readout.reference.values())).embedding))
    for emotion, share in shares.items():
        means = [mean.embedding for label, mean in readout.reference.items() if readout.emotions[label] == emotion]
        total += share * np.mean(means, axis=0, dtype=np.float64)
    return total


def _towards_neutral(readout: Readout, shares: Mapping[str, float]) -> Vector:
    """From the mean embedding of the other emotions, as they are expected, to that of neutral, (D,).

    Zeros where neutral is alone, or no class of the model.
    """
    others = {name: share for name, share in shares.items() if name != "neutral"}
    total = sum(others.values())
    if "neutral" not in shares or total <= 0:
        return 0 * _mixture(readout, shares)
    mixture = _mixture(readout, {name: share / total for name, share in others.items()})
    return _mixture(readout, {"neutral": 1}) - mixture


def _less_along(vector: Vector, line: Vector) -> Vector:
    """A shift of logits (K,) that goes only a part of its way along a line (K,).

    Logits mean the same with any constant added to all of them, so what they have in common counts nowhere.
    """
    slope = line - line.mean()
    length = slope @ slope
    if length <= 0:
        return vector
    return np.asarray(vector - (1 - ALONG_NEUTRAL) * (vector @ slope) / length * line)


def _mean(baseline: Baseline) -> Vector:
    group = baseline.group
    if group is None:
        return baseline.mean
    common, own = group.sum / group.count, baseline.count / (baseline.count + IN_GROUP)
    return np.asarray(common + own * (baseline.mean - common))


def _strength(baseline: Baseline) -> float:
    count = baseline.count if baseline.group is None else baseline.group.count
    return count / (count + ALONE)
