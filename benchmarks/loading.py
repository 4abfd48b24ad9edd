"""How long converted models take to load in a process that is up: seconds on the clock, and of processors.

PYTHONPATH=tests python -m benchmarks.loading [--model hubert wavlm whisper-large …] [--threads 2]

The weights are random in published shapes. What is loaded has lately been written, so the system still has it in
memory; from a disk it takes as long as that needs to read it.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from emovox.models.converted.store import StoredModel
from emovox.models.loading import load
from emovox.models.metadata import Precision
from emovox.models.runtime.engine import Engine, usable_cores
from emovox.models.runtime.session import EngineName, engine_version
from support import (
    odyssey_snapshots,
    sensevoice_snapshots,
    snapshots,
    voxprofile_snapshots,
    wav2vec2_snapshots,
    whisper_snapshots,
)

_SMALL = {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072}
MODELS: dict[str, Callable[[Path], Path]] = {
    "emotion2vec": lambda path: snapshots.write(path, snapshots.large()),
    "hubert": lambda path: wav2vec2_snapshots.write(path, wav2vec2_snapshots.configure(wav2vec2_snapshots.LARGE)),
    "wavlm": lambda path: wav2vec2_snapshots.write(
        path, wav2vec2_snapshots.configure(wav2vec2_snapshots.WAVLM_LARGE)
    ),
    "odyssey": lambda path: odyssey_snapshots.write(path, odyssey_snapshots.configure()),
    "sensevoice": lambda path: sensevoice_snapshots.write(path, sensevoice_snapshots.configure()),
    "whisper-small": lambda path: whisper_snapshots.write(
        path, whisper_snapshots.configure(whisper_snapshots.BASE | _SMALL)
    ),
    "whisper-large": lambda path: voxprofile_snapshots.write(path, voxprofile_snapshots.configure()),
}
CASES: tuple[tuple[EngineName, Precision], ...] = (
    ("openvino", "fp32"), ("openvino", "int8"), ("onnxruntime", "fp32"), ("onnxruntime", "int8"),
)  # fmt: skip


def main() -> None:
    """Read the command line, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--threads", type=int, default=usable_cores())
    options = parser.parse_args()
    print(f"{platform.machine()}, {options.threads} threads, {engine_version()}; seconds (of processors)")
    print("| | " + " | ".join(f"{engine} {precision}" for engine, precision in CASES) + " |")
    print("|" + "---|" * (len(CASES) + 1))
    load("lite")  # the engines themselves are loaded by now
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["EMOVOX_CACHE"] = f"{scratch}/cache"
        for name in options.model:
            stored = StoredModel(MODELS[name](Path(scratch, name)), name=name, revision="random", licence="none")
            cells = [
                _load(stored.file(precision), engine, precision, options.threads) for engine, precision in CASES
            ]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
            for directory in (Path(scratch, name), stored.directory):
                shutil.rmtree(directory)


def _load(path: Path, engine: EngineName, precision: Precision, threads: int) -> str:
    wall, processor = time.perf_counter(), time.process_time()
    Engine(path, precision=precision, engine=engine, threads=threads)
    return f"{time.perf_counter() - wall:.1f} ({time.process_time() - processor:.1f})"


if __name__ == "__main__":
    main()
