"""Write src/start/example.json anew: what `lite` hears in the scene of examples/, which the empty page draws.

python web/example.py, from the top of a checkout.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from emovox import Recognizer
from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.models.converted.clips import scene_files

TARGET = Path(__file__).parent / "src" / "start" / "example.json"
BARS = 240
POINTS = 140


def example(recognizer: Recognizer) -> dict[str, Any]:
    """The scene's file and length, its peaks, its segments, and the curve of whatever leads: whole per cent."""
    [path] = scene_files()
    with open_recording(path, max_bytes=2**20) as recording, decode(recording, max_seconds=60) as decoding:
        waveform = np.concatenate(list(decoding.blocks()))
    peaks = np.array([np.abs(piece).max() for piece in np.array_split(waveform, BARS)])
    recognition = recognizer.recognize(path, granularity="frame", segments=True)
    segments, frames = recognition.segments or [], recognition.frames
    if frames is None or frames.labels is None or frames.scores is None:
        raise ValueError("the model doesn't give the nine emotions")
    leading = sorted({str(segment.emotion) for segment in segments})
    times = np.linspace(0, recognition.recording.duration, POINTS)
    columns = {name: frames.scores[:, frames.labels.index(name)] for name in leading}
    curves = {
        name: [int(point) for point in np.round(100 * np.interp(times, frames.times, column))]
        for name, column in columns.items()
    }
    return {
        "name": path.name,
        "duration": round(recognition.recording.duration, 2),
        "peaks": [int(peak) for peak in np.round(100 * peaks / peaks.max())],
        "segments": [
            {"start": round(segment.start, 2), "end": round(segment.end, 2), "emotion": segment.emotion}
            for segment in segments
        ],
        "curves": curves,
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(example(Recognizer(model="lite"))) + "\n", encoding="utf-8")
