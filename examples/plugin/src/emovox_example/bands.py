"""A model family: a linear classifier of how loud a voice is in bands of frequency.

As small as a real one can be: a frame is 25 ms of sound, every 20 ms; its embedding is the logarithm of the power in
each band; the readout is linear. Its snapshot is a folder of two files: bands.json, with the number of bands and the
labels of the classes, and bands.safetensors, with `emotion.weight` (classes, bands) and `emotion.bias` (classes,).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emovox import ModelError
from emovox.plugins import (
    Family,
    Graph,
    Grid,
    Layout,
    Readout,
    Snapshot,
    SpeechEncoder,
    Weights,
    read_json,
    read_state,
    same_names,
)

RATE, WIDTH, HOP = 16_000, 400, 320  # samples
LOWEST, HIGHEST = 100, 7000  # Hz

LAYOUT = Layout(
    config="bands.json",
    describing=frozenset({"bands.json"}),
    others=frozenset({"README.md"}),
    weights=(re.compile(r"bands\.safetensors"),),
)


@dataclass(frozen=True, kw_only=True)
class BandsSnapshot(Snapshot):
    """A folder of this family, read but for its weights."""

    bands: int
    labels: tuple[str, ...]
    emotions: Mapping[str, str]

    @property
    def grid(self) -> Grid:
        return Grid(hop=HOP, minimum_samples=WIDTH, first_centre=WIDTH / 2)

    @property
    def embedding_size(self) -> int:
        return self.bands


def read(directory: Path, labels: Mapping[str, str]) -> BandsSnapshot:
    """Read the settings. They come from somebody else: nothing is believed of them that isn't checked."""
    settings = read_json(directory / LAYOUT.config)
    bands, names = settings.get("bands"), settings.get("labels")
    if not isinstance(bands, int) or not 1 <= bands <= 200:
        raise ModelError(f"{LAYOUT.config}: bands must be a number from 1 to 200")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ModelError(f"{LAYOUT.config}: labels must be a list of names")
    weights = directory / "bands.safetensors"
    if not weights.is_file():
        raise ModelError(f"{directory} is not a snapshot: it has no {weights.name}")
    emotions = {**same_names(tuple(names)), **{name: word for name, word in labels.items() if name in names}}
    return BandsSnapshot(directory=directory, weights=weights, bands=bands, labels=tuple(names), emotions=emotions)


def open_weights(snapshot: BandsSnapshot) -> Weights:
    """Find the weights in their file, which is mapped and read by nothing that could run what is in it."""
    readout = Readout(
        name="emotion",
        kind="linear",
        activation="softmax",
        labels=snapshot.labels,
        emotions=dict(snapshot.emotions),
    )
    shapes = {
        "emotion.weight": (len(snapshot.labels), snapshot.bands),
        "emotion.bias": (len(snapshot.labels),),
    }
    return Weights(snapshot.weights, read_state(snapshot.weights), shapes, (readout,), lambda name: name)


def build(graph: Graph, snapshot: BandsSnapshot, weights: Weights) -> None:
    """Add the network: waveform (B, N) → filters → power in decibels / 10 → frames (B, T, bands) → readout."""
    network = SpeechEncoder(graph, weights, snapshot.grid)
    samples, length = network.valid_samples()
    frame_count, frame_total, valid = network.valid_frames(samples, length)
    waveform = network.waveform(samples, length, epsilon=1e-7)
    padded = graph.add("Pad", waveform, graph.integers(0, 0, 0, WIDTH))  # so that there is a frame in any case
    filtered = graph.add(
        "Conv",
        graph.add("Unsqueeze", padded, graph.integers(1)),
        graph.weight("filters", filters(snapshot.bands)),
        strides=[HOP],
    )
    cosines, sines = graph.split(filtered, [snapshot.bands] * 2, axis=1)
    power = graph.add("Add", graph.add("Mul", cosines, cosines), graph.add("Mul", sines, sines))
    loudness = graph.add("Log", graph.add("Add", power, graph.number(1e-6)))
    frames = graph.slice(graph.add("Transpose", loudness, perm=[0, 2, 1]), 0, frame_total, axis=1)
    network.outputs(frames, valid, frame_count)
    network.linear_readout("emotion", weights["emotion.weight"], weights["emotion.bias"])


def filters(bands: int) -> np.ndarray:
    """Cosines and then sines under a Hann window, float32 (2 bands, 1, width), evenly spread over the mel scale."""
    mel = np.linspace(np.log1p(LOWEST / 700), np.log1p(HIGHEST / 700), bands)
    phase = 2 * np.pi * (700 * np.expm1(mel))[:, np.newaxis] * np.arange(WIDTH) / RATE
    window = np.hanning(WIDTH)
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * (window / window.sum())
    return waves[:, np.newaxis].astype(np.float32)


BANDS = Family(
    title="band classifiers, of the example plug-in",
    publisher="example",
    layout=LAYOUT,
    version=1,
    snapshot=BandsSnapshot,
    recognises=lambda directory: (directory / LAYOUT.config).exists(),
    read=read,
    open_weights=open_weights,
    build=build,
)
