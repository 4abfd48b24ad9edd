"""Speed of wav2vec 2.0, WavLM and Whisper against transformers' own classes, interleaved in one run, medians.

PYTHONPATH=tests python -m benchmarks.encoders [--size base hubert wavlm audeering whisper-small …]
    [--seconds 3 10] [--repeats 5] [--threads 1] [--engines openvino onnxruntime]

Each cell has seconds on the clock, how many times less that is than transformers', and the same of processor time,
which tells more on a machine that others use, too, and most with one thread: several wait for each other, and spin
meanwhile. Then come the seconds that loading takes, and the greatest
difference of a score or value from fp32. The weights are random in published shapes, which is as fast as any.
Needs tests/requirements-parity.txt.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.models.converted.clips import example_clips
from emovox.models.converted.store import StoredModel
from emovox.models.runtime.engine import Engine, usable_cores
from emovox.models.runtime.session import EngineName, engine_version, precisions
from emovox.models.scores import readout_scores
from emovox.models.wav2vec2.snapshot import SPEECH
from support import transformers_model, wav2vec2_snapshots, whisper_model, whisper_snapshots

Waveform = NDArray[np.float32]
Run = Callable[[Waveform], object]
_SMALL = {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072}
_MEDIUM = {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096}
SIZES: dict[str, dict[str, Any]] = {
    "base": wav2vec2_snapshots.configure(wav2vec2_snapshots.BASE),
    "hubert": wav2vec2_snapshots.configure(wav2vec2_snapshots.LARGE),
    "wavlm": wav2vec2_snapshots.configure(wav2vec2_snapshots.WAVLM_LARGE),
    "audeering": wav2vec2_snapshots.configure(wav2vec2_snapshots.AUDEERING, wav2vec2_snapshots.DIMENSIONS, SPEECH),
    "whisper-small": whisper_snapshots.configure(whisper_snapshots.BASE | _SMALL),
    "whisper-medium": whisper_snapshots.configure(whisper_snapshots.BASE | _MEDIUM),
    "whisper-large": whisper_snapshots.configure(whisper_snapshots.LARGE),
}
ENGINES: tuple[EngineName, ...] = ("openvino", "onnxruntime")


@dataclass(frozen=True)
class Times:
    """Medians of one contender, seconds: on the clock, and of processors."""

    wall: float
    processor: float


def main() -> None:
    """Read the command line, measure, print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=["audeering", "wavlm", "whisper-medium"])
    parser.add_argument("--seconds", nargs="+", type=int, default=[3, 10], help="of sound")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["openvino"])
    options = parser.parse_args()
    print(f"{platform.machine()}, {options.threads} threads, {engine_version()}, medians of {options.repeats}")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["EMOVOX_CACHE"] = f"{scratch}/cache"
        for size in options.size:
            measure(size, Path(scratch), options)


def measure(size: str, scratch: Path, options: argparse.Namespace) -> None:
    """Measure one size of model and print its table."""
    import torch  # noqa: PLC0415  the tests' own dependency

    of_whisper = size.startswith("whisper")
    support: Any = whisper_model if of_whisper else transformers_model
    model = support.build(SIZES[size])
    torch.set_num_threads(options.threads)
    stored = StoredModel(support.save(model, scratch / size), name=size, revision="random", licence="none")
    runs: dict[str, Run] = {"transformers": lambda waveform: support.infer(model, waveform)}
    loads, errors = ["—"], ["—"]
    clips = example_clips()
    for engine in options.engines:
        reference: list[NDArray[Any]] = []
        for precision in precisions(engine=engine):
            path = stored.file(precision)
            started = time.perf_counter()
            runner = Engine(path, precision=precision, engine=engine, threads=options.threads)
            loads.append(f"{time.perf_counter() - started:.1f} s")
            numbers = [_numbers(runner, clip) for clip in clips]
            reference = reference or numbers
            differences = [np.abs(one - other).max() for one, other in zip(numbers, reference, strict=True)]
            errors.append(f"{max(differences):.4f}" if precision != "fp32" else "—")
            runs[f"{engine} {precision}"] = lambda waveform, runner=runner: runner.run([waveform])  # type: ignore[misc]
    speech = np.tile(np.concatenate(clips), 2)
    print(f"\n| {size} | " + " | ".join(runs) + " |\n|" + "---|" * (len(runs) + 1))
    for seconds in options.seconds:
        medians = interleaved(runs, speech[: seconds * 16_000], options.repeats)
        base = medians["transformers"]
        cells = [
            f"{times.wall:.2f} s (x{base.wall / times.wall:.2f}; x{base.processor / times.processor:.2f})"
            for times in medians.values()
        ]
        print(f"| {seconds} s | " + " | ".join(cells) + " |", flush=True)
    print("| loaded in | " + " | ".join(loads) + " |\n| differs by | " + " | ".join(errors) + " |", flush=True)


def interleaved(runs: dict[str, Run], waveform: Waveform, repeats: int) -> dict[str, Times]:
    """Medians of each contender, taking turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run(waveform)
            if turn:  # the first turn warms up
                times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: Times(*(statistics.median(values) for values in zip(*pairs, strict=True)))
        for name, pairs in times.items()
    }


def _numbers(runner: Engine, clip: Waveform) -> NDArray[Any]:
    """The scores and values of a clip, one after the other."""
    [output] = runner.run([clip])
    return np.concatenate(
        [readout_scores(readout, runner.logits(readout, output)) for readout in runner.metadata.readouts]
    )


if __name__ == "__main__":
    main()
