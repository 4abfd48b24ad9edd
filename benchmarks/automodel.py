"""FunASR's AutoModel and Emovox's, whole processes from start to results, interleaved, medians.

PYTHONPATH=tests python -m benchmarks.automodel [--snapshot DIR] [--repeats 3] [--clips 16] [--threads 1]

Without a snapshot it writes Emotion2Vec+ Large in its published shape with random weights, as fast as any.
What is done once, converting it, is measured apart. On a busy machine only processor time says something, and only
with one thread: others spin while they wait. Needs tests/requirements-parity.txt.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import processor
from emovox.models.runtime.session import engine_version, precisions
from support import snapshots

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAM = """
import json, sys, time
from {package} import AutoModel
clips = json.loads(sys.argv[1])
model = AutoModel(model=sys.argv[2], device="cpu"{options})
loaded = time.perf_counter()
results = model.generate(clips, granularity="utterance", extract_embedding=False)
assert len(results) == len(clips)
status = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
scores = [item["scores"] for item in results]
print(json.dumps({{"recognising": time.perf_counter() - loaded, "peak": peak, "scores": scores}}))
"""


def main() -> None:
    """Read the command line, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        snapshot = options.snapshot or write_snapshot(Path(scratch) / "random")
        measure(snapshot, Path(scratch), options.repeats, options.clips, options.threads)


def write_snapshot(directory: Path) -> Path:
    """Large with random weights, as torch saves them: FunASR reads nothing else."""
    import torch  # noqa: PLC0415  only here

    conf = {"unk_symbol": "<unk>", "split_with_space": True}
    snapshots.describe(directory, snapshots.large(), tokenizer="CharTokenizer", tokenizer_conf=conf)
    state = snapshots.random_state(snapshots.large())
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, directory / "model.pt")
    return directory


def measure(snapshot: Path, scratch: Path, repeats: int, count: int, threads: int) -> None:
    """Measure everything and print it."""
    examples = sorted(map(str, EXAMPLES.glob("*.flac")))
    clips = (examples * (count // len(examples) + 1))[:count]
    contenders = {
        "FunASR": ("funasr", f", ncpu={threads}, disable_update=True, disable_pbar=True"),
        **{f"Emovox {name}": ("emovox.funasr", f", precision={name!r}") for name in precisions(device="cpu")},
    }
    limits = dict.fromkeys(("EMOVOX_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    environment = os.environ | limits | {"EMOVOX_CACHE": str(scratch / "cache")}
    print(
        f"{processor()}, {threads} threads, {engine_version(device='cpu')}; {count} recordings of 1.6 to 5.5 s\n"
    )
    for name, contender in contenders.items():
        if name != "FunASR":
            first = run(*contender, snapshot, clips[:1], environment)
            print(f"{name}, the first time: {first['wall']:.1f} s", flush=True)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            found[name].append(run(*contender, snapshot, clips, environment))
    print(
        "\n| | whole process, s | of it recognising | processor time, s | peak memory, MB |\n|---|---|---|---|---|"
    )
    for name, runs in found.items():
        cells = [
            f"{statistics.median(item[key] for item in runs):.{digits}f}"
            for key, digits in (("wall", 1), ("recognising", 1), ("processor", 1), ("peak", 0))
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    original = np.array(found["FunASR"][0]["scores"])
    for name in contenders:
        print(
            f"{name}: scores differ by {np.abs(np.array(found[name][0]['scores']) - original).max():.1e} at most"
        )


def run(
    package: str, options: str, snapshot: Path, clips: list[str], environment: dict[str, str]
) -> dict[str, Any]:
    """One process: seconds from its start to its end, of the processor, and peak memory, MB."""
    code = PROGRAM.format(package=package, options=options)
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(clips), str(snapshot)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    after, wall = os.times(), time.perf_counter() - started
    processor_time = sum(after[2:4]) - sum(before[2:4])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "wall": wall, "processor": processor_time}


if __name__ == "__main__":
    main()
