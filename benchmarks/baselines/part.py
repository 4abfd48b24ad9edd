"""Corpora under test, as a network hears them that never met them, and as the bundled model does, which did."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.baselines.embeddings import embedded
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit as fit_baselines
from emovox.baselines.shift import shift
from emovox.emotions import NAMES
from emovox.models.catalog import resolve
from emovox.models.metadata import Metadata
from emovox.models.own_head import read_own_head
from emovox.models.readout import Readout, ReferenceMean
from emovox.models.runtime.engine import read_metadata
from training.corpus import ACTED, BY_NAME, Clip
from training.experiments import shared
from training.fitting import fit
from training.material import Material, gather
from training.neutral import NEUTRAL
from training.reference import NO_EMOTION, reference
from training.sampling import Options

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Facts = dict[str, NDArray[Any]]

_MEASURED = Path(__file__).parents[2] / "training/neutral.json"


@dataclass(frozen=True)
class Part:
    """A corpus under test, as a network hears it, and what the network knows of other corpora.

    Attributes:
        corpus: its name.
        embeddings: (n, D).
        labels: (n,).
        speakers: (n,).
        weights: (9, D), of the network's head as shipped.
        bias: (9,), with neutral's constant.
        metadata: with reference means of other corpora.
    """

    corpus: str
    embeddings: Floats
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    weights: Floats
    bias: Floats
    metadata: Metadata

    @cached_property
    def classes(self) -> list[str]:
        """Its labels that other corpora have, too: what the network may have learnt."""
        return shared(self.corpus, tuple(BY_NAME))

    @cached_property
    def logits(self) -> Floats:
        """(n, 9)."""
        return self.embeddings @ self.weights.T + self.bias

    def relative(
        self, chosen: Rows, *, by_speaker: bool = False, expect: dict[str, float] | None = None
    ) -> Floats:
        """The logits (n, 9) by a baseline of the chosen recordings.

        Args:
            chosen: rows, (m,).
            by_speaker: make one for each speaker, too, and use it where there is one.
            expect: shares that are said to be expected.
        """
        speakers = [str(self.speakers[row]) for row in chosen] if by_speaker else None
        whole, *own = fit_baselines("x", self.embeddings[chosen], self.metadata, groups=speakers)
        moved = self.logits + self.moved(whole, expect)
        for item in own:
            if item.group is not None:
                rows = self.speakers == item.group.value
                moved[rows] = self.logits[rows] + self.moved(item, expect)
        return moved

    def moved(self, baseline: Baseline, expect: dict[str, float] | None = None) -> Floats:
        """The shift by a baseline, (9,)."""
        return np.asarray(shift(baseline, self.metadata, self.weights, expect=expect).vector, np.float32)


def unheard(corpora: Path, work: Path, threads: int) -> list[Part]:
    """Each corpus as a network hears it that was fitted without it."""
    return [
        part(corpus, left_out(corpora, work, threads, (corpus,)), [name for name in ACTED if name != corpus])
        for corpus in ACTED
    ]


def left_out(corpora: Path, work: Path, threads: int, names: Sequence[str]) -> Facts:
    """What a network that was fitted without some corpora hears in all three, kept.

    Returns:
        Embeddings (n, D), labels, speakers, corpora and paths (n,), weights (9, D) and bias (9,), as shipped.
    """
    file = work / f"left-{'-'.join(names)}.npz"
    if not file.exists():
        material = _material(corpora, work, threads)
        clips = [clip for clip in material.clips if clip.corpus in ACTED]
        rest = [clip for clip in material.clips if clip.corpus not in names]
        network = fit(rest, material.versions, material.encoder, Options(stages=Options().stages[:1]), seed=0)
        rows = []
        with torch.inference_mode():
            for clip in clips:
                frames = torch.from_numpy(np.array(material.versions[0].of(clip))[None]).float()
                rows.append(network(frames, torch.ones(frames.shape[:2], dtype=torch.bool))[0].numpy())
        adaptor = network.to_adaptor()
        np.savez(
            file,
            allow_pickle=False,
            embeddings=np.stack(rows),
            labels=[clip.label for clip in clips],
            speakers=[clip.speaker for clip in clips],
            corpora=[clip.corpus for clip in clips],
            paths=[clip.path for clip in clips],
            weights=adaptor.head_weight,
            bias=adaptor.head_bias,
        )
    facts = dict(np.load(file, allow_pickle=False))
    temperature = json.loads(_MEASURED.read_text())["temperature"]
    facts["weights"] = facts["weights"] / temperature
    facts["bias"] = facts["bias"] / temperature + NEUTRAL * (np.array(NAMES) == "neutral")
    return facts


@cache
def _material(corpora: Path, work: Path, threads: int) -> Material:
    return gather(corpora, work, precision="fp16", seed=0, threads=threads, plain=True)


def bundled(corpora: Path, work: Path) -> list[Part]:
    """Each corpus as the bundled model hears it, which knows it; reference means of the others all the same."""
    own = read_own_head(resolve("lite"))
    assert own is not None  # noqa: S101  it has one
    each = {corpus: embedded(corpora, work, corpus) for corpus in ACTED}
    facts = {key: np.concatenate([each[name][key] for name in ACTED]) for key in ("labels", "speakers", "paths")}
    facts["corpora"] = np.concatenate([[name] * len(each[name]["labels"]) for name in ACTED])
    facts["embeddings"] = np.concatenate([each[corpus]["whole"] for corpus in ACTED])
    facts |= {"weights": own.weights, "bias": own.bias}
    return [part(corpus, facts, [name for name in ACTED if name != corpus]) for corpus in ACTED]


def part(corpus: str, facts: Facts, others: Sequence[str]) -> Part:
    """A corpus as it is heard, with reference means of others."""
    own, embeddings = facts["corpora"] == corpus, facts["embeddings"]
    metadata = _described(_means(facts, others), embeddings.shape[1])
    labels, speakers = facts["labels"][own], facts["speakers"][own]
    return Part(corpus, embeddings[own], labels, speakers, facts["weights"], facts["bias"], metadata)


def _means(facts: Facts, corpora: Sequence[str]) -> dict[str, ReferenceMean]:
    columns = zip(*(facts[key].tolist() for key in ("paths", "labels", "speakers", "corpora")), strict=True)
    clips = [Clip(*values) for values in columns]
    by_path = {clip.path: row for clip, row in zip(clips, facts["embeddings"], strict=True)}
    spoken = [clip for clip in clips if clip.label not in NO_EMOTION]
    by_corpus = {name: [clip for clip in spoken if clip.corpus == name] for name in corpora}
    return reference(by_corpus, dict.fromkeys(corpora, by_path))


def _described(means: dict[str, ReferenceMean], size: int) -> Metadata:
    readout = Readout(
        name="emotion", kind="linear", activation="softmax", labels=NAMES, emotions={name: name for name in NAMES},
        reference=means, prior={"neutral": NEUTRAL},
    )  # fmt: skip
    facts = read_metadata(resolve("lite"))
    return facts.model_copy(update={"readouts": (readout,), "embedding_size": size})
