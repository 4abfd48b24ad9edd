"""Verification: does this installation compute what a model's authors computed?"""

from dataclasses import dataclass

import numpy as np

from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
from emovox.emotions import NAMES
from emovox.models.converted.store import Notice, StoredModel
from emovox.models.hub.published import SnapshotSource
from emovox.models.named import CATALOG
from emovox.models.runtime.engine import Engine
from emovox.models.scores import emotion_scores, readout_scores
from emovox.settings import settings

EXAMPLE = "example/test.wav"
TOLERANCE = 1e-8
"""Of a score: FunASR's other scores are under 1e-9, and the order of a sum may change them a little."""


@dataclass(frozen=True)
class Verification:
    """What was checked, in lines, and whether nothing differed."""

    lines: tuple[str, ...]
    good: bool


def verify_snapshot(stored: StoredModel, *, notice: Notice = lambda _: None) -> Verification:
    """Check a snapshot's files against its hub's checksums, and its own example against the published result.

    The published result is FunASR's for that file; it is known for emotion2vec_plus_large.

    Raises:
        ModelError: the snapshot can't be converted or run.
        AudioError: its example can't be decoded.
        DecoderError: no decoding process can be started.
    """
    lines, good = [], True
    directory = stored.snapshot.directory
    source = SnapshotSource.read(directory)
    if source is None:
        lines.append("files: not pulled by Emovox, so the published checksums are not known")
    else:
        changed = [file.path for file in source.files if not file.matches(directory / file.path)]
        good = not changed
        same = f"all {len(source.files)} have the checksums that {source.address} published"
        lines.append(f"files: {'CHANGED since they were pulled: ' + ', '.join(changed) if changed else same}")

    example = directory / EXAMPLE
    if not example.is_file():
        lines.append(f"example: the snapshot has no {EXAMPLE} to compare")
        return Verification(tuple(lines), good)
    options = settings()
    with IsolatedDecoder().open(example) as decoding:
        waveform = np.concatenate(list(decoding.blocks()))
    engine = Engine(
        stored.file("fp32", notice=notice), precision="fp32", engine=options.engine, threads=options.threads
    )
    if not engine.metadata.readouts:
        lines.append("example: the model gives only embeddings, and no published ones are known")
        return Verification(tuple(lines), good)
    [output] = engine.run([waveform])
    readout = engine.metadata.readouts[0]
    numbers = readout_scores(readout, engine.logits(readout, output))
    if readout.gives_emotions:
        scores = dict(zip(NAMES, emotion_scores(readout, numbers).tolist(), strict=True))
    else:
        scores = dict(zip(readout.labels, numbers.tolist(), strict=True))
    ranking = ", ".join(f"{name} {score:.3g}" for name, score in sorted(scores.items(), key=lambda item: -item[1]))
    lines.append(f"example: {ranking} (fp32, {engine.name})")
    published = next((entry.published for entry in CATALOG if entry.name == stored.name), None)
    if published is None:
        lines.append("verdict: no published result is known for this model; compare the scores yourself")
    elif all(abs(score - (name == published)) <= TOLERANCE for name, score in scores.items()):
        lines.append(f"verdict: this installation computes what the authors computed ({published} 1.0)")
    else:
        good = False
        lines.append(f"verdict: WRONG: FunASR's result for this file is {published} 1.0 and nothing else")
    return Verification(tuple(lines), good)
