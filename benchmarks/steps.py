"""What each step from a file to a row of results costs: processor time for a second of sound, in one process.

PYTHONPATH=src python -m benchmarks.steps CORPUS [--clips 300] [--minutes 10] [--repeats 3] [--formats opus,mp3]

CORPUS is a directory of recordings; the clips are a random choice of them, the same every time, encoded in each
format; the long recording is clips joined to so many minutes. The steps are timed one after the other on the same
clip, formats interleaved; `around` is what `Recognizer.recognize` takes beyond the steps before it: pooling,
scores, result. Medians of the repeats. Processor time hardly depends on what else the machine does.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from emovox.audio.decoding import decode
from emovox.audio.files import find
from emovox.audio.recording import open_recording
from emovox.audio.speech import SpeechFinder
from emovox.audio.waveform import SAMPLE_RATE
from emovox.audio.windows import cut
from emovox.batch.schema import RECOGNITIONS, schema
from emovox.batch.tables import to_row
from emovox.inference.recognizer import Recognizer
from emovox.models.loading import load
from emovox.models.runtime.engine import Engine

FORMATS = {
    "opus": ("libopus", 48_000),
    "mp3": ("libmp3lame", 44_100),
    "flac": ("flac", 44_100),
    "wav": ("pcm_s16le", 16_000),
}
"""The encoder of each, and its rate."""
STEPS = ("open", "decode", "resample", "voice activity", "network", "around", "writing")
ROWS = 500  # in a shard
LIMIT = 2**40  # bytes, or seconds: no recording of one's own is too large


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=10, help="of the long recording; 0: none")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--model", default="lite")
    parser.add_argument("--threads", default="1", help="of the model")
    options = parser.parse_args()
    os.environ["EMOVOX_THREADS"] = options.threads
    with tempfile.TemporaryDirectory(prefix="emovox-benchmark-") as scratch:
        sets = dict(
            material(options.corpus, options.clips, options.minutes, options.formats.split(","), Path(scratch))
        )
        engine, recognizer = load(options.model), Recognizer(options.model)
        for files in sets.values():
            measure(files[:40], engine, recognizer, Path(scratch))  # warms up
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in sets}
        for _ in range(options.repeats):
            for name, files in sets.items():
                runs[name].append(measure(files, engine, recognizer, Path(scratch)))
    print(f"ms of a core for a second of sound; {engine.name}, load {os.getloadavg()[0]:.1f}\n")
    print("| | " + " | ".join(STEPS) + " | whole |\n|" + "---|" * (len(STEPS) + 2))
    for name, rows in runs.items():
        wholes = [sum(row.values()) for row in rows]
        cells = [statistics.median(row[step] for row in rows) for step in STEPS]
        print(f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in [*cells, statistics.median(wholes)]) + " |")


def material(
    corpus: str, count: int, minutes: float, formats: list[str], place: Path
) -> Iterator[tuple[str, list[Path]]]:
    """For each format the clips, and the long recording."""
    files = find(corpus)
    random.Random(0).shuffle(files)
    clips = [waveform(file) for file in files[:count]]
    seconds = sum(map(len, clips)) / SAMPLE_RATE
    long = np.resize(np.concatenate(clips), round(60 * minutes * SAMPLE_RATE))
    for suffix in formats:
        paths = [place / f"{number:06d}.{suffix}" for number in range(len(clips))]
        for path, clip in zip(paths, clips, strict=True):
            encode(path, *FORMATS[suffix], clip)
        yield f"{suffix}, clips of {seconds / len(clips):.1f} s", paths
        if len(long):
            encode(place / f"long.{suffix}", *FORMATS[suffix], long)
            yield f"{suffix}, {minutes:g} minutes", [place / f"long.{suffix}"]


def waveform(path: Path) -> NDArray[np.int16]:
    """A recording's sound, mono at 16 kHz."""
    with open_recording(path, max_bytes=LIMIT) as recording, decode(recording, max_seconds=LIMIT) as decoding:
        samples = np.concatenate(list(decoding.blocks()))
    return np.asarray(np.clip(32_768 * samples, -32_768, 32_767), np.int16)


def encode(path: Path, codec: str, rate: int, samples: NDArray[np.int16]) -> None:
    """Write a file."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or 4096)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


class Laps:
    """Processor time by step, of all threads of this process."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._last = time.process_time()

    def lap(self, step: str) -> None:
        """What was spent since the last lap goes to a step."""
        now = time.process_time()
        self.spent[step] += now - self._last
        self._last = now


def measure(files: list[Path], engine: Engine, recognizer: Recognizer, place: Path) -> dict[str, float]:
    """Milliseconds for a second of sound, by step."""
    seconds, laps = 0.0, Laps()
    grid = {"hop": engine.metadata.hop, "overlap": max(0, engine.metadata.minimum_samples - engine.metadata.hop)}
    rows = []
    for file in files:
        laps.lap("")
        with open_recording(file, max_bytes=LIMIT) as recording, decode(recording, max_seconds=LIMIT) as decoding:
            laps.lap("open")
            frames = list(decoding.frames)
            laps.lap("decode")
            blocks = list(replace(decoding, frames=iter(frames)).blocks())
            laps.lap("resample")
        windows = list(cut(iter(blocks), **grid, speech=SpeechFinder()))
        laps.lap("voice activity")
        for window in windows:
            engine.run([window.waveform])
        laps.lap("network")
        result = recognizer.recognize(file)
        laps.lap("recognize")
        rows.append(to_row(file.name, result))
        if len(rows) == ROWS or file == files[-1]:
            pq.write_table(pa.Table.from_pylist(rows, schema(RECOGNITIONS)), place / "rows.parquet")
            rows.clear()
        laps.lap("writing")
        seconds += result.recording.duration
    spent = laps.spent
    spent["around"] = spent["recognize"] - sum(spent[step] for step in STEPS[:5])
    return {step: 1000 * spent[step] / seconds for step in STEPS}


if __name__ == "__main__":
    main()
