"""What a handful of labelled clips is worth: heads of one's own against the model's own head, on new voices.

The bundled model itself was trained on the three corpora, so networks are fitted as it was, without a corpus or
without a fifth of the speakers, and heads are trained on their embeddings. Needs what training needs, and its kept
states:

    python -m benchmarks.heads --corpora ../shared/corpora --work training/work --json benchmarks/heads.json
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.evaluation.metrics import measure
from emovox.heads.linear import Fit, Floats, Integers, Linear, logistic, prototypes
from training.corpus import ACTED, Clip
from training.fitting import fit
from training.material import FOLDS, Material, gather
from training.network import Network
from training.sampling import Options
from training.states import States

SIZES = (1, 2, 5, 10, 20, 50)
FEW = 5


@dataclass(frozen=True)
class Part:
    """Clips that a network was not trained on, on its embeddings.

    Attributes:
        embeddings: (n, D).
        labels: index among the classes, (n,).
        speakers: (n,).
        classes: of the clips.
        own: the network's head for these classes.
    """

    embeddings: Floats
    labels: Integers
    speakers: NDArray[np.str_]
    classes: tuple[str, ...]
    own: Linear


Draw = Callable[[Part, int, np.random.Generator], tuple[Integers, Integers]]
"""Clips to learn from, so many of each class, and clips to be tested on."""


def main() -> None:
    """Read the command line, fit networks, train heads, print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heads", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states and embeddings")
    parser.add_argument("--draws", type=int, default=51, help="of clips to learn from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    left_out = [f"{corpus} left out" for corpus in ACTED]
    parts = {title: [part] for title, part in _kept(options, "corpora", left_out)}
    folds = [f"fold {fold}, {corpus}" for fold in range(FOLDS) for corpus in ACTED]
    held = dict(_kept(options, "folds", folds))
    parts["emodb known"] = [held[f"fold {fold}, emodb"] for fold in range(FOLDS)]
    facts: dict[str, dict[str, list[float]]] = {}

    def note(title: str, found: dict[str, list[float]]) -> None:
        facts[title] = found
        print(line(title, found), flush=True)

    for title in left_out:
        for size in SIZES:
            draws = max(5, options.draws // 5)
            note(f"{title}, {size} a class", compare(parts[title], other_voices, draws, size=size, methods=CURVE))
    # Boredom is in EmoDB alone: without it the own head can't know it, and any other head can.
    parts["emodb left out, without boredom"] = [_without(parts["emodb left out"][0], "other")]
    for title, own in parts.items():
        for voices, draw in {"other voices": other_voices, "the same voices": same_voices}.items():
            if title == "emodb known" and voices == "other voices":  # two voices in a part: one knows too little
                continue
            note(f"{title}, {voices}", compare(own, draw, options.draws))
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1))


def other_voices(part: Part, size: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Half of the speakers are learnt from, the other half is tested."""
    speakers = rng.permutation(np.unique(part.speakers))
    ours = np.isin(part.speakers, speakers[: len(speakers) // 2])
    return _few(part, ours, size, rng), np.flatnonzero(~ours)


def same_voices(part: Part, size: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """All speakers are learnt from, and all other clips of theirs are tested."""
    chosen = _few(part, np.ones(len(part.labels), np.bool_), size, rng)
    return chosen, np.setdiff1d(np.arange(len(part.labels)), chosen)


def _few(part: Part, ours: NDArray[np.bool_], size: int, rng: np.random.Generator) -> Integers:
    own = [np.flatnonzero(ours & (part.labels == index)) for index in range(len(part.classes))]
    return np.concatenate([rng.permutation(clips)[:size] for clips in own])


def _fitted(fit: Fit, part: Part, chosen: Integers, *, from_own: bool) -> Linear:
    own = {"own": part.own} if from_own else {}
    return partial(fit, **own)(part.embeddings[chosen], part.labels[chosen])


Method = Callable[[Part, Integers], Linear]
CURVE: dict[str, Method] = {
    "own head": lambda part, _: part.own,
    "prototypes": partial(_fitted, prototypes, from_own=True),
    "logistic": partial(_fitted, logistic, from_own=True),
}
METHODS: dict[str, Method] = {
    **CURVE,
    "prototypes alone": partial(_fitted, prototypes, from_own=False),
    "logistic alone": partial(_fitted, logistic, from_own=False),
}


def compare(
    parts: list[Part],
    draw: Draw,
    draws: int,
    *,
    size: int = FEW,
    methods: dict[str, Method] = METHODS,
) -> dict[str, list[float]]:
    """Unweighted recall of each method in each draw, over the clips of all parts together."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    for seed in range(draws):
        drawn = [draw(part, size, np.random.default_rng([seed, place])) for place, part in enumerate(parts)]
        chosen = [pair if _complete(part, pair[0]) else None for part, pair in zip(parts, drawn, strict=True)]
        for name, method in methods.items():
            scores, labels = [], []
            for part, pair in zip(parts, chosen, strict=True):
                if pair is None:  # these voices lack a class
                    continue
                logits = method(part, pair[0]).logits(part.embeddings[pair[1]])
                scores.append(np.eye(len(part.classes))[logits.argmax(axis=1)])
                labels += [part.classes[index] for index in part.labels[pair[1]]]
            found[name].append(measure(np.concatenate(scores), labels, names=parts[0].classes).unweighted)
    return found


def _without(part: Part, name: str) -> Part:
    """The same without a class."""
    place = part.classes.index(name)
    rest = part.labels != place
    rows = np.arange(len(part.classes)) != place
    labels = part.labels[rest]
    return Part(
        part.embeddings[rest],
        labels - (labels > place),
        part.speakers[rest],
        tuple(other for other in part.classes if other != name),
        Linear(part.own.weights[rows], part.own.bias[rows]),
    )


def _complete(part: Part, chosen: Integers) -> bool:
    return len(np.unique(part.labels[chosen])) == len(part.classes)


def line(title: str, found: dict[str, list[float]]) -> str:
    """Medians, and the margin of each method over the own head in the middle nine tenths of the draws."""
    own = np.array(found["own head"])
    cells = [f"own head {np.median(own):.3f}"]
    for name, values in found.items():
        if name != "own head":
            low, middle, high = np.percentile(100 * (np.array(values) - own), [5, 50, 95])
            cells.append(f"{name} {np.median(values):.3f} ({middle:+.1f}, {low:+.1f} to {high:+.1f})")
    return f"{title}: " + "; ".join(cells)


def _kept(options: argparse.Namespace, kind: str, titles: list[str]) -> Iterator[tuple[str, Part]]:
    """Parts of networks that were fitted before, or now."""
    file = options.work / f"heads-{kind}.npz"
    if not file.exists():
        material = gather(options.corpora, options.work, precision="fp16", seed=0, threads=options.threads)
        arrays: dict[str, NDArray[np.generic]] = {}
        for title, clips, network in _left_out(material, kind):
            arrays |= {
                f"{title}/{key}": value for key, value in _embedded(network, clips, material.versions[0]).items()
            }
        np.savez(file, allow_pickle=False, **arrays)
    kept = np.load(file, allow_pickle=False)
    for title in titles:
        labels, speakers = kept[f"{title}/labels"], kept[f"{title}/speakers"]
        classes = tuple(name for name in NAMES if name in set(labels))
        rows = [NAMES.index(name) for name in classes]
        own = Linear(kept[f"{title}/weights"][rows], kept[f"{title}/bias"][rows])
        index = np.array([classes.index(label) for label in labels], np.int64)
        yield title, Part(kept[f"{title}/embeddings"], index, speakers, classes, own)


def _left_out(material: Material, kind: str) -> Iterator[tuple[str, list[Clip], Network]]:
    """Networks, and clips that they were not fitted to."""
    if kind == "corpora":
        for corpus in ACTED:
            rest = [clip for clip in material.clips if clip.corpus != corpus]
            network = fit(rest, material.versions, material.encoder, Options(), seed=0)
            yield f"{corpus} left out", [clip for clip in material.clips if clip.corpus == corpus], network
        return
    for fold in range(FOLDS):
        rest = [clip for clip in material.clips if material.fold(clip) != fold]
        network = fit(rest, material.versions, material.encoder, Options(), seed=0)
        for corpus in ACTED:
            own = [clip for clip in material.clips if clip.corpus == corpus and material.fold(clip) == fold]
            yield f"fold {fold}, {corpus}", own, network


def _embedded(network: Network, clips: list[Clip], states: States) -> dict[str, NDArray[np.generic]]:
    """Embeddings, labels and speakers of clips, and the network's own head, uncalibrated."""
    rows = []
    with torch.inference_mode():
        for clip in clips:
            frames = torch.from_numpy(np.array(states.of(clip))[None]).float()
            rows.append(network(frames, torch.ones(frames.shape[:2], dtype=torch.bool))[0].numpy())
    adaptor = network.to_adaptor()
    return {
        "embeddings": np.stack(rows),
        "labels": np.array([clip.label for clip in clips]),
        "speakers": np.array([clip.speaker for clip in clips]),
        "weights": adaptor.head_weight,
        "bias": adaptor.head_bias,
    }


if __name__ == "__main__":
    main()
