"""How well a stream is heard: joined utterances of known emotions, with several lengths of context; and how fast.

python -m benchmarks.live --corpora DIR [--corpus emodb] [--model lite] [--recordings 3] [--baseline self]

An event is right when it has the emotion of the utterance that is being spoken. EMOVOX_THREADS=1 measures one
core.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np

from benchmarks.windows import Joined, join
from emovox.audio.waveform import SAMPLE_RATE
from emovox.inference import live
from emovox.inference.live import EmotionChanged, LiveUpdate
from emovox.inference.recognizer import Recognizer
from training.corpus import read_corpus

CONTEXTS = (1, 2, 3, 4, 6)  # seconds
CLIPS = 16  # in a recording


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--recordings", type=int, default=3)
    parser.add_argument("--baseline", help="hear relative to it: a name, a path or self")
    options = parser.parse_args()
    recognizer = Recognizer(options.model)
    clips = [
        clip for clip in read_corpus(options.corpora, options.corpus) if clip.label in recognizer.metadata.classes
    ]
    rng = random.Random(1)
    recordings = [join(options.corpora, rng.sample(clips, CLIPS), rng) for _ in range(options.recordings)]
    print(
        "| context | events right | a second into it | announced in speech | announced a clip | CPU s a second |"
    )
    print("|---|---|---|---|---|---|")
    for context in CONTEXTS:
        live.CONTEXT = context * SAMPLE_RATE
        rows = [measure(recognizer, joined, options.baseline) for joined in recordings]
        right, later, present = (np.mean(np.concatenate([row[part] for row in rows])) for part in range(3))
        changes, factor = np.mean([row[3] for row in rows]), np.mean([row[4] for row in rows])
        print(
            f"| {context} s | {right:.1%} | {later:.1%} | {present:.1%} | {changes:.2f} | {factor:.3f} |",
            flush=True,
        )


def measure(
    recognizer: Recognizer, joined: Joined, baseline: str | None
) -> tuple[list[bool], list[bool], list[bool], float, float]:
    """Of the events in utterances, which are right; announcements an utterance; and CPU time, of the sound's."""
    stream, present = recognizer.live(baseline=baseline), None
    started = time.process_time()
    events = stream.push(joined.waveform)
    factor = (time.process_time() - started) * SAMPLE_RATE / len(joined.waveform)
    right, later, announced = [], [], []
    for event in events:
        if isinstance(event, EmotionChanged):
            present = event.emotion
            continue
        label = spoken(joined, event)
        if event.speech and label is not None:
            right.append(event.emotion == label[0])
            announced.append(present == label[0])
            if label[1] >= 1:
                later.append(event.emotion == label[0])
    changes = sum(isinstance(event, EmotionChanged) and event.emotion is not None for event in events)
    return right, later, announced, changes / len(joined.clips), factor


def spoken(joined: Joined, event: LiveUpdate) -> tuple[str, float] | None:
    """The label of the utterance spoken in an event's quarter second, and for how long it has been spoken."""
    for (start, end), (clip, _) in zip(joined.places, joined.clips, strict=True):
        if start < event.time - 0.1 and event.time - 0.25 < end:
            return clip.label, event.time - start
    return None


if __name__ == "__main__":
    main()
