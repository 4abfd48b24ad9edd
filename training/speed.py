"""The command that times a model file: processor milliseconds per second of audio on one thread, and peak memory.

python -m training.speed src/emovox/models/bundled/lite.onnx
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from emovox.audio.waveform import SAMPLE_RATE
from emovox.models.runtime.engine import Engine


def main() -> None:
    """Read the command line, time, and print."""
    parser = argparse.ArgumentParser(prog="python -m training.speed", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="an .onnx file")
    parser.add_argument("--engine", choices=("onnxruntime", "openvino"), default="onnxruntime")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1, 3, 5, 10, 30], help="lengths of clips")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    engine = Engine(options.model, engine=options.engine, threads=1)
    rng = np.random.default_rng(0)
    clips = {
        seconds: rng.standard_normal(int(seconds * SAMPLE_RATE)).astype(np.float32) for seconds in options.seconds
    }
    taken: dict[float, list[float]] = {seconds: [] for seconds in clips}
    for _ in range(options.repeats):  # interleaved, so that a busy moment falls on all lengths
        for seconds, clip in clips.items():
            start = time.process_time()
            engine.run([clip])
            taken[seconds].append(time.process_time() - start)
    for seconds, times in taken.items():
        per_second = 1000 * np.array(times) / seconds
        print(f"{seconds:g} s: median {np.median(per_second):.2f} ms a second, least {per_second.min():.2f}")
    print(f"peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
