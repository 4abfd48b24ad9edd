"""What a baseline is worth on speech that a model never met: recall, that of neutral, accuracy in four streams.

EmoDB, RAVDESS and nEMO are tested in turn, each by a network that was fitted without it, and with reference means
of the other two: as training.neutral does, of units alone, a minute of one core each. The bundled model itself
knows all three, so its own figures say only what a baseline costs where nothing is wrong. Nobody of them felt
anything: they are actors. Needs what training needs, and its kept states:

    python -m benchmarks.baselines --corpora ../shared/corpora --work training/work --picture docs/baselines.png
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emovox.audio.speech import SpeechFinder
from emovox.audio.windows import cut
from emovox.baselines.baseline import Baseline
from emovox.baselines.distance import FAR, distance
from emovox.baselines.fitting import fit as fit_baselines
from emovox.baselines.fitting import of_itself
from emovox.baselines.shift import shift
from emovox.emotions import NAMES
from emovox.models.catalog import resolve
from emovox.models.metadata import Metadata
from emovox.models.own_head import read_own_head
from emovox.models.readout import Readout, ReferenceMean
from emovox.models.runtime.engine import Engine, read_metadata
from training.augment import telephone
from training.corpus import ACTED, BY_NAME, Clip, read_corpus, read_tsv, read_waveform
from training.experiments import shared
from training.fitting import fit
from training.material import gather
from training.neutral import NEUTRAL
from training.reference import NO_EMOTION, reference
from training.sampling import Options

COUNTS = (0, 3, 5, 12, 20, 50, 100)
STREAMS = {"one sixth": 1 / 6, "half": 0.5, "four fifths": 0.8, "all": 1.0}
"""Shares of neutral, in what the baseline is taken from and in what is heard."""
EVERYDAY = ("arabic_commands", "picovoice_commands", "mycroft_precise", "fsdd")
_NEUTRAL = NAMES.index("neutral")

Floats = NDArray[np.float32]
Figures = tuple[float, float, float]
"""Unweighted recall, recall of neutral, accuracy in the stream."""


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
        metadata: with reference means of the other corpora.
    """

    corpus: str
    embeddings: Floats
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    weights: Floats
    bias: Floats
    metadata: Metadata

    @property
    def logits(self) -> Floats:
        """(n, 9)."""
        return self.embeddings @ self.weights.T + self.bias

    def figures(self, logits: Floats, neutral: float) -> Figures:
        """Of some of its clips, of which none is missing but those whose logits are NaN."""
        usable = np.asarray(np.isfinite(logits).all(axis=1))
        winners = np.array(NAMES)[np.where(usable[:, None], logits, 0).argmax(axis=1)]
        hits: NDArray[np.bool_] = np.equal(winners, self.labels)
        classes = shared(self.corpus, tuple(BY_NAME))
        recalls = {name: float(hits[usable & np.equal(self.labels, name)].mean()) for name in classes}
        others = float(np.mean([recalls[name] for name in classes if name != "neutral"]))
        stream = neutral * recalls["neutral"] + (1 - neutral) * others
        return float(np.mean(list(recalls.values()))), recalls["neutral"], stream

    def draw(self, neutral: float, count: int, seed: int) -> NDArray[np.int64]:
        """So many recordings, a share of them neutral and the other classes alike, none twice."""
        rng = np.random.default_rng([seed, count])
        classes = [name for name in shared(self.corpus, tuple(BY_NAME)) if name != "neutral"]
        calm = round(count * neutral)
        wanted = ["neutral"] * calm + [classes[turn % len(classes)] for turn in rng.permutation(count - calm)]
        own = {name: list(rng.permutation(np.flatnonzero(self.labels == name))) for name in (*classes, "neutral")}
        return np.array([own[name].pop() for name in wanted if len(own[name]) > 2], np.int64)

    def relative(
        self, chosen: NDArray[np.int64], *, by_speaker: bool = False, neutral: float | None = None
    ) -> Floats:
        """The logits (n, 9) of all but the chosen recordings, of which the baseline is; NaN for these.

        Args:
            chosen: rows, (m,).
            by_speaker: make one for each speaker, too, and use it where there is one.
            neutral: share of neutral that is said to be expected.
        """
        speakers = [str(self.speakers[row]) for row in chosen] if by_speaker else None
        whole, *own = fit_baselines("x", self.embeddings[chosen], self.metadata, groups=speakers)
        moved = self.logits + self._moved(whole, neutral)
        for item in own:
            if item.group is not None:
                rows = self.speakers == item.group.value
                moved[rows] = self.logits[rows] + self._moved(item, neutral)
        moved[chosen] = np.nan
        return moved

    def _moved(self, baseline: Baseline, neutral: float | None) -> Floats:
        expect = None if neutral is None else {"neutral": neutral}
        return np.asarray(shift(baseline, self.metadata, self.weights, expect=expect).vector, np.float32)


def main() -> None:
    """Read the command line, measure, print tables, and write JSON and the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states and embeddings")
    parser.add_argument("--draws", type=int, default=20, help="of the recordings that a baseline is made of")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--picture", type=Path, help="draw ten clips before and after there, .png")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    left_out = list(unheard(options.corpora, options.work, options.threads))
    facts: dict[str, Any] = {"left out": curves(left_out, options.draws)}
    print(table("Left out", facts["left out"]))
    heard = list(bundled(options.corpora, options.work))
    facts["bundled, which knows them"] = curves(heard, max(1, options.draws // 4))
    print(table("The bundled model, which knows them", facts["bundled, which knows them"]))
    facts["relative to itself"] = own = itself(left_out)
    for stream, rows in own.items():
        for count, values in rows.items():
            print(f"{stream}, {count} segments: {(100 * np.array(values)).round()}")
    fits = misfits(options.corpora, options.work)
    print(json.dumps(fits, indent=1))
    if options.json:
        options.json.write_text(json.dumps({**facts, "distances": fits}, indent=1) + "\n")
    if options.picture:
        draw(left_out[0], options.picture)


def curves(parts: Sequence[Part], draws: int) -> dict[str, dict[str, list[list[float]]]]:
    """By stream and number of recordings: the three figures of each corpus, means over draws."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for stream, neutral in STREAMS.items():
        rows = found[stream] = {}
        for count in COUNTS:
            rows[str(count)] = [_mean(part, neutral, count, draws if count else 1) for part in parts]
        rows["100, share said"] = [_mean(part, neutral, 100, draws, said=True) for part in parts]
        rows["100, by speaker"] = [_mean(part, neutral, 100, draws, by_speaker=True) for part in parts]
    return found


def _mean(
    part: Part, neutral: float, count: int, draws: int, *, by_speaker: bool = False, said: bool = False
) -> list[float]:
    rows = []
    for seed in range(draws):
        logits = part.logits
        if count:
            logits = part.relative(
                part.draw(neutral, count, seed), by_speaker=by_speaker, neutral=neutral if said else None
            )
        rows.append(part.figures(logits, neutral))
    return [round(float(value), 4) for value in np.mean(rows, axis=0)]


def itself(parts: Sequence[Part], recordings: int = 400) -> dict[str, dict[str, list[float]]]:
    """By stream and number of segments: the three figures without, and relative to the recording itself.

    A recording is made of clips of one speaker, which are its segments.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for stream, neutral in STREAMS.items():
        for count in (2, 4, 8, 16):
            rows = [_of_segments(part, neutral, count, recordings) for part in parts]
            found.setdefault(stream, {})[str(count)] = np.mean(rows, axis=0).round(3).tolist()
    return found


def _of_segments(part: Part, neutral: float, count: int, recordings: int) -> list[float]:
    rng = np.random.default_rng(count)
    classes = [name for name in shared(part.corpus, tuple(BY_NAME)) if name != "neutral"]
    rows: list[NDArray[np.int64]] = []
    shifts: list[Floats] = []
    for _ in range(recordings):
        own = part.speakers == rng.choice(np.unique(part.speakers))
        known = [name for name in classes if (own & (part.labels == name)).any()]
        calm = rng.random(count) < neutral
        names = ["neutral" if is_calm else str(rng.choice(known)) for is_calm in calm]
        if not (own & (part.labels == "neutral")).any():
            continue
        chosen = np.array([rng.choice(np.flatnonzero(own & (part.labels == name))) for name in names])
        rows.append(chosen)
        moved = np.asarray(
            shift(of_itself(part.embeddings[chosen], part.metadata), part.metadata, part.weights).vector
        )
        shifts.append(np.repeat(moved[np.newaxis].astype(np.float32), count, axis=0))
    chosen, logits = np.concatenate(rows), part.logits
    figures: list[float] = []
    for values in (logits[chosen], logits[chosen] + np.concatenate(shifts)):
        hits = np.equal(np.array(NAMES)[values.argmax(axis=1)], part.labels[chosen])
        recalls = {
            name: float(hits[part.labels[chosen] == name].mean()) for name in np.unique(part.labels[chosen])
        }
        recall = float(np.mean(list(recalls.values()))) if len(recalls) > 1 else recalls["neutral"]
        figures += [recall, recalls["neutral"], float(hits.mean())]
    return figures


def table(title: str, facts: dict[str, dict[str, list[list[float]]]]) -> str:
    """In Markdown: means over the corpora, and the lowest recall of one."""
    lines = ["", f"{title}: unweighted recall / recall of neutral / accuracy in the stream, lowest recall", ""]
    counts = list(next(iter(facts.values())))
    lines += [f"| share of neutral | {' | '.join(counts)} |", "| --- " * (len(counts) + 1) + "|"]
    for stream, rows in facts.items():
        cells = []
        for count in counts:
            values = 100 * np.array(rows[count])
            recall, neutral, accuracy = values.mean(axis=0)
            cells.append(f"{recall:.0f} / {neutral:.0f} / {accuracy:.0f}, {values[:, 0].min():.0f}")
        lines.append(f"| {stream} | {' | '.join(cells)} |")
    return "\n".join(lines)


def unheard(corpora: Path, work: Path, threads: int) -> Iterator[Part]:
    """Each corpus as a network hears it that was fitted without it."""
    for corpus in ACTED:
        if not (work / f"left-{corpus}.npz").exists():
            _leave_out(corpora, work, threads)
            break
    temperature = json.loads((Path(__file__).parents[1] / "training/neutral.json").read_text())["temperature"]
    for corpus in ACTED:
        kept = np.load(work / f"left-{corpus}.npz", allow_pickle=False)
        weights, bias = kept["weights"] / temperature, kept["bias"] / temperature
        yield _part(corpus, kept["embeddings"], kept, weights, bias + NEUTRAL * (np.array(NAMES) == "neutral"))


def _leave_out(corpora: Path, work: Path, threads: int) -> None:
    material = gather(corpora, work, precision="fp16", seed=0, threads=threads, plain=True)
    units = Options(stages=Options().stages[:1])
    clips = [clip for clip in material.clips if clip.corpus in ACTED]
    for corpus in ACTED:
        rest = [clip for clip in material.clips if clip.corpus != corpus]
        network = fit(rest, material.versions, material.encoder, units, seed=0)
        rows = []
        with torch.inference_mode():
            for clip in clips:
                frames = torch.from_numpy(np.array(material.versions[0].of(clip))[None]).float()
                rows.append(network(frames, torch.ones(frames.shape[:2], dtype=torch.bool))[0].numpy())
        adaptor = network.to_adaptor()
        np.savez(
            work / f"left-{corpus}.npz",
            allow_pickle=False,
            embeddings=np.stack(rows),
            labels=[clip.label for clip in clips],
            speakers=[clip.speaker for clip in clips],
            corpora=[clip.corpus for clip in clips],
            paths=[clip.path for clip in clips],
            weights=adaptor.head_weight,
            bias=adaptor.head_bias,
        )


def bundled(corpora: Path, work: Path) -> Iterator[Part]:
    """Each corpus as the bundled model hears it, which knows it; reference means of the others all the same."""
    own = read_own_head(resolve("lite"))
    assert own is not None  # noqa: S101  it has one
    kept = {corpus: _embedded(corpora, work, corpus) for corpus in ACTED}
    joined = {
        key: np.concatenate([kept[corpus][key] for corpus in ACTED]) for key in ("labels", "speakers", "paths")
    }
    joined["corpora"] = np.concatenate([[corpus] * len(kept[corpus]["labels"]) for corpus in ACTED])
    whole = np.concatenate([kept[corpus]["whole"] for corpus in ACTED])
    for corpus in ACTED:
        yield _part(corpus, whole, joined, own.weights, own.bias)


def _part(corpus: str, embeddings: Floats, kept: dict[str, NDArray[Any]], weights: Floats, bias: Floats) -> Part:
    labels, speakers, corpora, paths = (kept[key] for key in ("labels", "speakers", "corpora", "paths"))
    others = [name for name in ACTED if name != corpus]
    rows = range(len(labels))
    clips = {
        name: [
            Clip(str(paths[row]), str(labels[row]), str(speakers[row]), name)
            for row in rows
            if corpora[row] == name and labels[row] not in NO_EMOTION
        ]
        for name in others
    }
    by_path = {str(paths[row]): embeddings[row] for row in rows}
    means = reference(clips, dict.fromkeys(others, by_path))
    own = corpora == corpus
    return Part(corpus, embeddings[own], labels[own], speakers[own], weights, bias, _metadata(means, embeddings))


def _metadata(means: dict[str, ReferenceMean], embeddings: Floats) -> Metadata:
    readout = Readout(
        name="emotion", kind="linear", activation="softmax", labels=NAMES, emotions={name: name for name in NAMES},
        reference=means, prior={"neutral": NEUTRAL},
    )  # fmt: skip
    facts = read_metadata(resolve("lite"))
    return facts.model_copy(update={"readouts": (readout,), "embedding_size": embeddings.shape[1]})


def _embedded(corpora: Path, work: Path, corpus: str, *, line: bool = False) -> dict[str, NDArray[Any]]:
    """By the bundled model: embeddings of whole clips and of their speech, kept; `line`: some, by telephone."""
    file = work / f"{corpus}{'-phone' if line else ''}.npz"
    if not file.exists():
        engine = Engine(resolve("lite"), engine="onnxruntime", threads=1)
        clips = read_corpus(corpora, corpus) if corpus in BY_NAME else read_tsv(corpora / f"{corpus}.tsv")
        clips = clips[:: max(1, len(clips) // 540)] if line else clips
        whole, speech = [], []
        for clip in clips:
            waveform = read_waveform(corpora / clip.path)
            if line:
                waveform = telephone(waveform, np.random.default_rng([clip.number, 1000]))
            [output] = engine.run([waveform], frames=True)
            assert output.frames is not None  # noqa: S101  asked for
            finder = SpeechFinder()
            list(cut(iter([waveform]), hop=320, overlap=0, speech=finder))
            spoken = np.zeros(output.frame_count, np.bool_)
            for span in finder.spans:
                spoken[-(-span.start // 320) : -(-span.end // 320)] = True
            whole.append(output.embedding)
            speech.append(output.frames[spoken].mean(axis=0) if spoken.any() else output.embedding)
        np.savez(
            file,
            allow_pickle=False,
            whole=np.stack(whole),
            speech=np.stack(speech),
            labels=[clip.label for clip in clips],
            speakers=[clip.speaker for clip in clips],
            paths=[clip.path for clip in clips],
        )
    return dict(np.load(file, allow_pickle=False))


def misfits(corpora: Path, work: Path, counts: Sequence[int] = (20, 50, 100)) -> dict[str, dict[str, float]]:
    """How often a recording is said not to fit: of the baseline's own corpus, of others, and by telephone.

    The baseline is made of the speech of some recordings; the recording is the whole of another.
    """
    names = [*ACTED, *EVERYDAY]
    sets = {name: _embedded(corpora, work, name) for name in names}
    lines = {name: _embedded(corpora, work, name, line=True) for name in ACTED}
    facts = read_metadata(resolve("lite"))
    found: dict[str, dict[str, float]] = {}
    for name, count in ((name, count) for name in names for count in counts):
        rng = np.random.default_rng(count)
        own = rng.permutation(len(sets[name]["labels"]))
        [baseline] = fit_baselines("x", sets[name]["speech"][own[:count]], facts)
        others = np.concatenate([sets[other]["whole"][::7] for other in names if other != name])
        shares = {
            "false alarms": _far(baseline, sets[name]["whole"][own[count:]]),
            "other sets": _far(baseline, others),
        }
        if name in lines:
            shares["by telephone"] = _far(baseline, lines[name]["whole"])
        found[f"{name}, {count}"] = shares
    return found


def _far(baseline: Baseline, embeddings: Floats) -> float:
    return round(float(np.mean([(distance(baseline, row) or 0) > FAR for row in embeddings])), 3)


def draw(part: Part, file: Path) -> None:
    """Ten clips of one corpus, what is heard without and with a baseline of twelve others."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  only the picture needs it

    from emovox.emotions import BY_NAME as EMOTIONS  # noqa: PLC0415

    chosen = part.draw(0.5, 12, 0)
    before, after = part.logits, part.relative(chosen)
    rng = np.random.default_rng(1)
    rest = np.setdiff1d(np.arange(len(part.labels)), chosen)
    rows: list[int] = []
    for name in shared(part.corpus, tuple(BY_NAME)):
        own = rng.permutation(rest[part.labels[rest] == name])
        rows += own[: 4 if name == "neutral" else 2 if name in ("angry",) else 1].tolist()
    rows = rows[:10]
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    for axis, logits, title in zip(
        axes, (before, after), ("without", "relative to twelve recordings"), strict=True
    ):
        raised = np.exp(logits[rows] - logits[rows].max(axis=1, keepdims=True))
        scores = raised / raised.sum(axis=1, keepdims=True)
        left = np.zeros(len(rows))
        for column, name in enumerate(NAMES):
            axis.barh(range(len(rows)), scores[:, column], left=left, color=EMOTIONS[name].colour, label=name)
            left += scores[:, column]
        axis.set_title(title)
        axis.set_xlim(0, 1)
        axis.invert_yaxis() if axis is axes[0] else None
    axes[0].set_yticks(range(len(rows)), part.labels[rows])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=9, fontsize="small")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
