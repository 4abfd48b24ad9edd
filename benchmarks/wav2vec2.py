"""Speed of wav2vec 2.0, HuBERT and WavLM against transformers' own classes, interleaved in one run, medians.

PYTHONPATH=tests python -m benchmarks.wav2vec2 [--size base large wavlm audeering] [--seconds 3 10] [--repeats 5]

The weights are random, which is as fast as any. Needs tests/requirements-parity.txt.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import Run, interleaved
from emovox.models.converted.clips import example_clips
from emovox.models.converted.store import StoredModel
from emovox.models.runtime.engine import Engine
from emovox.models.runtime.session import EngineName, engine_version, precisions
from emovox.models.wav2vec2.snapshot import SPEECH
from support import wav2vec2_snapshots as snapshots
from support.transformers_model import build, infer, save

SIZES = {
    "base": snapshots.configure(snapshots.BASE),
    "large": snapshots.configure(snapshots.LARGE),
    "wavlm": snapshots.configure(snapshots.WAVLM_LARGE),
    "audeering": snapshots.configure(snapshots.AUDEERING, snapshots.DIMENSIONS, SPEECH),
}
ENGINES: tuple[EngineName, ...] = ("onnxruntime", "openvino")


def main() -> None:
    """Read the command line, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--seconds", nargs="+", type=int, default=[3, 10], help="of sound")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{platform.machine()}, {engine_version()}, medians of {options.repeats}, interleaved")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["EMOVOX_CACHE"] = f"{scratch}/cache"
        for size in options.size:
            measure(size, Path(scratch), options.seconds, options.repeats)


def measure(size: str, scratch: Path, lengths: Sequence[int], repeats: int) -> None:
    """Measure one size of model and print its table."""
    model = build(SIZES[size])
    stored = StoredModel(save(model, scratch / size), name=size, revision="random", licence="none")
    runs = {"transformers": theirs(model)}
    for engine in ENGINES:
        for precision in precisions(engine=engine):
            runner = Engine(stored.file(precision), precision=precision, engine=engine, threads=2)
            runs[f"{engine} {precision}"] = ours(runner)
    speech = np.tile(np.concatenate(example_clips()), 2)
    print(f"\n| {size} | " + " | ".join(runs) + " |\n|" + "---|" * (len(runs) + 1))
    for seconds in lengths:
        medians = interleaved(runs, [speech[: seconds * 16_000]], repeats)
        cells = [f"{median:.3f} s (x{medians['transformers'] / median:.2f})" for median in medians.values()]
        print(f"| {seconds} s | " + " | ".join(cells) + " |", flush=True)


def theirs(model: Any) -> Run:
    """Transformers' class on two threads, as `build` sets them, preprocessing included."""
    return lambda waveform: infer(model, waveform)


def ours(runner: Engine) -> Run:
    """An engine, ready to run one waveform."""
    return lambda waveform: runner.run([waveform])


if __name__ == "__main__":
    main()
