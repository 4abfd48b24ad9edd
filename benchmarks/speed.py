"""Speed and memory against FunASR on one checkpoint, interleaved in one run, medians.

PYTHONPATH=tests python -m benchmarks.speed [--snapshot DIR] [--size large|larger|base] [--repeats 5]

Without a snapshot it writes one with random weights, which is as fast as any. Needs tests/requirements-parity.txt.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peak import matrix_peak
from emovox.models.converted.clips import example_clips
from emovox.models.loading import open_snapshot
from emovox.models.runtime.engine import Engine
from emovox.models.runtime.session import engine_version, precisions
from support import snapshots

LENGTHS = (1, 3, 10, 30)  # seconds
CLIPS = 64  # for throughput, of 2 to 6 s
MEMORY_WINDOW = 20  # seconds
SIZES = {  # large and base by the published settings; the larger one is nobody's
    "large": snapshots.large(),
    "larger": snapshots.configure(snapshots.LARGER, snapshots.LARGER_AUDIO),
    "base": snapshots.TEMPLATE,
}
Waveform = NDArray[np.float32]
Run = Callable[[Waveform], object]


def main() -> None:
    """Read the command line, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path)
    parser.add_argument("--size", choices=list(SIZES), default="large", help="of the random weights")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-funasr", action="store_true")
    parser.add_argument("--probe", help="for itself: what to load in a process of its own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        snapshot = options.snapshot or write_snapshot(Path(scratch) / "random", options.size)
        if options.probe:
            print(json.dumps(probe(options.probe, snapshot)))
            return
        measure(snapshot, options.repeats, with_funasr=not options.without_funasr)


def write_snapshot(directory: Path, size: str) -> Path:
    """A snapshot with random weights."""
    return snapshots.write(directory, SIZES[size])


def measure(snapshot: Path, repeats: int, *, with_funasr: bool) -> None:
    """Measure everything and print it."""
    stored = open_snapshot(snapshot)
    contenders = [*(["funasr"] if with_funasr else [])]
    contenders += [
        f"{engine} {name}" for engine in ("onnxruntime", "openvino") for name in precisions(engine=engine)
    ]
    for precision in ("fp32", "int8"):
        stored.file(precision)
    print(
        f"{platform.machine()}, {processor()}, {engine_version()}, medians of {repeats}, interleaved\n", flush=True
    )

    print("| | load s | peak MB, 20 s window |\n|---|---|---|")
    for contender in contenders:
        found = in_a_process(contender, snapshot)
        print(f"| {contender} | {found['load']:.2f} | {found['peak']:.0f} |", flush=True)

    runs = {contender: load(contender, snapshot) for contender in contenders}
    speech = np.concatenate(example_clips())
    tasks: dict[str, list[Waveform]] = {
        f"{seconds} s": [np.tile(speech, 2)[: seconds * 16_000]] for seconds in LENGTHS
    }
    random = np.random.default_rng(0)
    spans = random.integers(2 * 16_000, 6 * 16_000, CLIPS)
    tasks[f"{CLIPS} clips of 2 to 6 s"] = [
        speech[start : start + span]
        for start, span in zip(random.integers(0, len(speech) - 6 * 16_000, CLIPS), spans, strict=True)
    ]
    print("\n| | " + " | ".join(contenders) + " |\n|" + "---|" * (len(contenders) + 1))
    for task, clips in tasks.items():
        medians = interleaved(runs, clips, 1 if len(clips) > 1 else repeats)
        base = medians[contenders[0]]
        cells = [f"{median:.3f} s (x{base / median:.2f})" for median in medians.values()]
        print(f"| {task} | " + " | ".join(cells) + " |", flush=True)
    if with_funasr:
        print_shares(snapshot, tasks["10 s"][0], runs, repeats)


def interleaved(runs: dict[str, Run], clips: list[Waveform], repeats: int) -> dict[str, float]:
    """Median seconds of each contender for all clips, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            for clip in clips[:8] if turn == 0 else clips:
                run(clip)
            if turn:  # the first turn warms up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def load(contender: str, snapshot: Path) -> Run:
    """A contender, ready to run one waveform."""
    if contender == "funasr":
        return load_funasr(snapshot)
    engine, precision = contender.split()
    path = open_snapshot(snapshot).file(precision)  # type: ignore[arg-type]
    runner = Engine(path, precision=precision, engine=engine)  # type: ignore[arg-type]
    return lambda clip: runner.run([clip])


def load_funasr(snapshot: Path) -> Run:
    """FunASR's own class with the snapshot's weights, on torch with as many threads as cores."""
    import torch  # noqa: PLC0415  only here
    import yaml  # noqa: PLC0415
    from funasr.models.emotion2vec.model import Emotion2vec  # noqa: PLC0415

    from support import funasr_model  # noqa: PLC0415

    config = yaml.safe_load((snapshot / "config.yaml").read_text(encoding="utf-8"))["model_conf"]
    state = torch.load(snapshot / "model.pt", weights_only=False, mmap=True)
    model = Emotion2vec(model_conf=config, vocab_size=9).eval()
    model.load_state_dict(state.get("model", state), strict=False)
    return lambda clip: funasr_model.infer(model, clip)


def in_a_process(contender: str, snapshot: Path) -> dict[str, float]:
    """`probe`, where nothing else has been loaded."""
    command = [sys.executable, "-m", "benchmarks.speed", "--snapshot", str(snapshot), "--probe", contender]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def probe(contender: str, snapshot: Path) -> dict[str, float]:
    """Seconds until a contender is loaded (its imports apart), and peak memory after a long window, MB."""
    if contender == "funasr":
        import funasr.models.emotion2vec.model  # noqa: F401, PLC0415
    started = time.perf_counter()
    run = load(contender, snapshot)
    loaded = time.perf_counter() - started
    run(np.tile(np.concatenate(example_clips()), 2)[: MEMORY_WINDOW * 16_000])
    return {"load": loaded, "peak": own_peak()}


def own_peak() -> float:
    """Peak memory of this process, MB. Not `ru_maxrss`: on Linux that begins with what the parent held."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def print_shares(snapshot: Path, clip: Waveform, runs: dict[str, Run], repeats: int) -> None:
    """Print how near each contender comes to what bare matrix products of its precision reach here."""
    operations = count_operations(snapshot, clip)
    peaks: dict[str, float] = {
        name: matrix_peak(name, os.cpu_count() or 1) for name in ("fp32", *precisions()[1:])
    }
    medians = interleaved(runs, [clip], repeats)
    rounded = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items())
    print(f"\n10 s cost {operations / 1e9:.0f} GFLOP. Bare matrix products reach, GFLOP/s: {rounded}.\n")
    print("| | share of the peak, 10 s |\n|---|---|")
    for name, seconds in medians.items():
        precision = name.split()[-1] if " " in name else "fp32"
        print(f"| {name} | {operations / seconds / 1e9 / peaks[precision]:.0%} |")


def count_operations(snapshot: Path, clip: Waveform) -> int:
    """Multiplications and additions in the matrix products and convolutions of FunASR's class for a clip."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415  only here

    run = load_funasr(snapshot)
    with FlopCounterMode(display=False) as counter:
        run(clip)
    total: int = counter.get_total_flops()
    return total


def processor() -> str:
    """The CPU's name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")


if __name__ == "__main__":
    main()
