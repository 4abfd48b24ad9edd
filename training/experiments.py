"""What networks fitted without some speakers, or without a corpus, hear in them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.evaluation.metrics import Measures, fit_temperature, measure_logits
from training.corpus import ACTED, BY_NAME, LEFT_OUT, PERMISSIVE, Clip
from training.fitting import fit, hear
from training.material import FOLDS, Material
from training.sampling import Options

RECORDED = "recorded"

_LOG = logging.getLogger("training")

Table = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """What was heard in the clips of one corpus under one condition, by networks that never heard the speaker.

    Attributes:
        clips: those that were tested.
        logits: (clips, 9), before calibration unless they are called shipped.
        folds: in which each was tested, (clips,).
    """

    clips: Sequence[Clip]
    logits: NDArray[np.float32]
    folds: NDArray[np.int64]

    @property
    def labels(self) -> list[str]:
        """The right answers."""
        return [clip.label for clip in self.clips]

    def part(self, chosen: NDArray[np.bool_]) -> "Heard":
        """Some of the clips."""
        clips = [clip for clip, yes in zip(self.clips, chosen, strict=True) if yes]
        return Heard(clips, self.logits[chosen], self.folds[chosen])

    def shipped(self, temperature: float, neutral: float) -> "Heard":
        """With logits as a model gives them: divided by the temperature, and neutral's constant added."""
        return replace(self, logits=with_neutral(self.logits / np.float32(temperature), neutral))


Key = tuple[str, str]  # corpus and condition


def with_neutral(logits: NDArray[np.float32], constant: float) -> NDArray[np.float32]:
    """Logits (..., 9) with a constant added to neutral's."""
    moved: NDArray[np.float32] = logits + np.float32(constant) * (np.array(NAMES) == "neutral")
    return moved.astype(np.float32)


def join(parts: Sequence[Heard]) -> Heard:
    """All clips of some that were heard."""
    return Heard(
        [clip for part in parts for clip in part.clips],
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.folds for part in parts]),
    )


def joint(material: Material, options: Options, *, seed: int) -> dict[Key, Heard]:
    """Five networks, each fitted to all corpora without a fifth of the speakers, and what they hear in these."""
    parts: dict[Key, list[Heard]] = {}
    for fold in range(FOLDS):
        train = [clip for clip in material.clips if material.fold(clip) != fold]
        network = fit(train, material.versions, material.encoder, options, seed=seed)
        test = [clip for clip in material.clips if material.fold(clip) == fold]
        for condition, states in {RECORDED: material.versions[0], **material.conditions}.items():
            for corpus in BY_NAME:
                own = [clip for clip in test if clip.corpus == corpus and clip in states]
                if own:
                    heard = Heard(own, hear(network, own, states), np.full(len(own), fold))
                    parts.setdefault((corpus, condition), []).append(heard)
        _LOG.info("fold %d: %s", fold, _brief({key: found[-1] for key, found in parts.items()}))
    return {key: join(found) for key, found in parts.items()}


def leave_one_out(
    material: Material,
    options: Options,
    *,
    seed: int,
    corpora: Sequence[str] = tuple(BY_NAME),
    tested: Sequence[str] = LEFT_OUT,
) -> dict[str, Heard]:
    """For each tested corpus: what a network hears in it that was fitted to the other `corpora`."""
    results = {}
    for corpus in tested:
        train = [clip for clip in material.clips if clip.corpus in corpora and clip.corpus != corpus]
        network = fit(train, material.versions, material.encoder, options, seed=seed)
        test = [clip for clip in material.clips if clip.corpus == corpus]
        results[corpus] = Heard(test, hear(network, test, material.versions[0]), np.zeros(len(test), np.int64))
        measures = own_classes(results[corpus], shared(corpus, corpora))
        _LOG.info("without %s: unweighted average recall %.3f on shared classes", corpus, measures.unweighted)
    return results


def permissive(material: Material, options: Options, *, seed: int) -> dict[str, Heard]:
    """What a network fitted to permissively licensed corpora alone hears in the others."""
    tested = ("ravdess", "nemo")
    train = [clip for clip in material.clips if clip.corpus in PERMISSIVE]
    network = fit(train, material.versions, material.encoder, options, seed=seed)
    test = {corpus: [clip for clip in material.clips if clip.corpus == corpus] for corpus in tested}
    return {
        corpus: Heard(clips, hear(network, clips, material.versions[0]), np.zeros(len(clips), np.int64))
        for corpus, clips in test.items()
    }


def shared(corpus: str, corpora: Sequence[str]) -> list[str]:
    """The labels of a corpus that other corpora of acted speech, among those given, have too."""
    others = [BY_NAME[name].labels for name in corpora if name in ACTED and name != corpus]
    return [label for label in NAMES if label in BY_NAME[corpus].labels and any(label in own for own in others)]


def own_classes(heard: Heard, classes: Sequence[str]) -> Measures:
    """Measures on the clips of some classes, which alone compete."""
    part = heard.part(np.array([clip.label in classes for clip in heard.clips]))
    return measure_logits(part.logits, part.labels, classes)


def calibrate(results: Mapping[Key, Heard], neutral: float) -> tuple[float, Table]:
    """The temperature, and what confidences are worth without and with it; each fold takes the others'.

    Neutral's constant is no part of what the temperature is fitted to: these corpora are balanced, and the world,
    which it is for, is not. What confidences are worth with both is told too.

    Every clip counts the same. If every corpus did, small or large, the best would be too sure of most clips.
    """

    def fitted(leave: int | None) -> float:
        chosen = [results[corpus, RECORDED].part(results[corpus, RECORDED].folds != leave) for corpus in ACTED]
        logits = np.concatenate([heard.logits for heard in chosen])
        return fit_temperature([(logits, [label for heard in chosen for label in heard.labels])], taught)

    taught = taught_classes(results)
    temperature = fitted(None)
    by_fold = np.array([fitted(fold) for fold in range(FOLDS)])
    table: Table = {"temperature": round(temperature, 4), "by_fold": by_fold.round(4).tolist()}
    for name in (*ACTED, "all"):
        chosen = [results[corpus, RECORDED] for corpus in (ACTED if name == "all" else (name,))]
        logits, labels = (
            np.concatenate([heard.logits for heard in chosen]),
            [label for heard in chosen for label in heard.labels],
        )
        folds = np.concatenate([heard.folds for heard in chosen])
        table[name] = {
            "before": measure_logits(logits, labels, taught).to_dict(),
            "after": measure_logits(logits / by_fold[folds][:, None], labels, taught).to_dict(),
            "shipped": measure_logits(
                with_neutral(logits / by_fold[folds][:, None], neutral), labels, taught
            ).to_dict(),
        }
    return temperature, table


def taught_classes(results: Mapping[Key, Heard]) -> list[str]:
    """All labels that occur."""
    labels = {label for heard in results.values() for label in heard.labels}
    return [name for name in NAMES if name in labels]


def tables(results: Mapping[Key, Heard]) -> Table:
    """Measures by corpus and condition, of logits as shipped: the corpus's own classes compete, and all that are
    taught.
    """  # noqa: D205
    taught = taught_classes(results)
    return {
        f"{corpus}, {condition}": {
            "own": own_classes(heard, BY_NAME[corpus].labels).to_dict(),
            "all": measure_logits(heard.logits, heard.labels, taught).to_dict(),
        }
        for (corpus, condition), heard in results.items()
    }


def transfer_tables(results: Mapping[str, Heard], corpora: Sequence[str]) -> Table:
    """Measures of `leave_one_out` or `permissive`, as shipped: shared classes, the corpus's own, all competing."""
    taught = [name for name in NAMES if any(name in BY_NAME[corpus].labels for corpus in corpora)]
    return {
        corpus: {
            "shared": own_classes(heard, shared(corpus, corpora)).to_dict(),
            "own": own_classes(heard, BY_NAME[corpus].labels).to_dict(),
            "all": measure_logits(heard.logits, heard.labels, taught).to_dict(),
        }
        for corpus, heard in results.items()
    }


def _brief(results: Mapping[Key, Heard]) -> str:
    return ", ".join(
        f"{corpus} {condition} {own_classes(heard, BY_NAME[corpus].labels).unweighted:.3f}"
        for (corpus, condition), heard in results.items()
    )
