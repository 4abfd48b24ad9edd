"""Which length of window serves segments best: joined utterances of known emotions, at several lengths.

python -m benchmarks.windows --corpora DIR [--corpus emodb] [--model lite] [--recordings 10]

Each recording joins utterances with pauses of 0.4 to 1.5 s and a little noise. A segment is as good as its clip
when it has the emotion that the clip has by itself.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.audio import windows
from emovox.audio.waveform import SAMPLE_RATE
from emovox.inference.recognizer import Recognizer
from training.corpus import Clip, read_corpus, read_waveform

WANTED = (1, 3, 6, 10, 18)  # seconds
CLIPS = 20  # in a recording
PAUSES = (0.4, 1.5)  # seconds
NOISE = 1e-3  # of full scale; the clips are brought to a peak of 0.5


@dataclass(frozen=True)
class Joined:
    """A recording, and where its clips lie in it, in seconds."""

    waveform: NDArray[np.float32]
    places: list[tuple[float, float]]
    clips: list[tuple[Clip, NDArray[np.float32]]]


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--recordings", type=int, default=10)
    options = parser.parse_args()
    recognizer = Recognizer(options.model)
    clips = [
        clip for clip in read_corpus(options.corpora, options.corpus) if clip.label in recognizer.metadata.classes
    ]
    rng = random.Random(0)
    recordings = [join(options.corpora, rng.sample(clips, CLIPS), rng) for _ in range(options.recordings)]
    alone = [[recognizer.recognize((clip, SAMPLE_RATE)).emotion for _, clip in item.clips] for item in recordings]
    right = [clip.label == heard for item, row in zip(recordings, alone, strict=True)
             for (clip, _), heard in zip(item.clips, row, strict=True)]  # fmt: skip
    print(f"{options.corpus}, {options.model}: clips by themselves {np.mean(right):.1%} right\n")
    print("| window ends at the first pause after | segments right | as their clips | clips with one segment |")
    print("|---|---|---|---|")
    for wanted in WANTED:
        windows.WANTED = wanted * SAMPLE_RATE
        row = [compare(recognizer, item, heard) for item, heard in zip(recordings, alone, strict=True)]
        print(f"| {wanted} s | " + " | ".join(f"{value:.1%}" for value in np.mean(row, axis=0)) + " |", flush=True)


def join(corpora: Path, clips: list[Clip], rng: random.Random) -> Joined:
    """Join clips with pauses and noise."""
    pieces, places, size = [], [], 0
    read = [(clip, read_waveform(corpora / clip.path)) for clip in clips]
    for _, clip in read:
        pause = np.zeros(int(rng.uniform(*PAUSES) * SAMPLE_RATE), np.float32)
        scaled = clip * np.float32(0.5 / np.abs(clip).max())
        places.append(((size + len(pause)) / SAMPLE_RATE, (size + len(pause) + len(clip)) / SAMPLE_RATE))
        pieces += [pause, scaled]
        size += len(pause) + len(clip)
    waveform = np.concatenate(pieces)
    noise = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(size)
    return Joined((waveform + NOISE * noise).astype(np.float32), places, read)


def compare(recognizer: Recognizer, joined: Joined, alone: list[str | None]) -> tuple[float, float, float]:
    """Shares of clips whose longest segment is right; is as the clip by itself; and which are one segment."""
    segments = recognizer.recognize((joined.waveform, SAMPLE_RATE), segments=True).segments or []
    right, same, single = [], [], []
    for (start, end), (clip, _), heard in zip(joined.places, joined.clips, alone, strict=True):
        overlaps = [(min(end, item.end) - max(start, item.start), item.emotion) for item in segments]
        inside = [pair for pair in overlaps if pair[0] > 0]
        emotion = max(inside)[1] if inside else None
        right.append(emotion == clip.label)
        same.append(emotion == heard)
        single.append(len(inside) == 1)
    return float(np.mean(right)), float(np.mean(same)), float(np.mean(single))


if __name__ == "__main__":
    main()
