"""The command that chooses and encodes the labelled clips that come with the program: EmoDB's, which are CC0.

python -m training.reference_clips --corpora ../shared/corpora --out src/emovox/models/references

Two of each class and speaker, but for boredom, which no mixture of emotions has. Opus at 24 kbit/s.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import av
import numpy as np

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from training.corpus import Clip, read_corpus, read_waveform

EACH = 2
RATE = 24_000  # bits a second


def main() -> None:
    """Read the command line and write the clips and labels.tsv."""
    parser = argparse.ArgumentParser(
        prog="python -m training.reference_clips", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    groups: defaultdict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in sorted(read_corpus(options.corpora, "emodb"), key=lambda clip: clip.number):
        if clip.label != "other":
            groups[clip.label, clip.speaker].append(clip)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "labels.tsv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["path", "label", "speaker"])
        for clip in sorted(
            (clip for group in groups.values() for clip in group[:EACH]), key=lambda clip: clip.path
        ):
            path = options.out / f"{Path(clip.path).stem}.opus"
            encode(read_waveform(options.corpora / clip.path), path)
            table.writerow([path.name, clip.label, clip.speaker])


def encode(waveform: Waveform, path: Path) -> None:
    """Write a waveform as Opus."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = RATE
        stream.options = {"application": "voip", "vbr": "on"}
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000, frame_size=960)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(waveform[np.newaxis]), format="fltp", layout="mono"
        )
        frame.sample_rate = SAMPLE_RATE
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
