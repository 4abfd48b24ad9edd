"""Labelled recordings: the lists that name them, their sound, and copies as a worse line would carry them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.waveform import SAMPLE_RATE, Waveform

_MAX_BYTES = 1 << 30
_MAX_SECONDS = 3600.0
_NOISE_BELOW = 12.0  # dB from the signal's mean power down to the noise
_TELEPHONE = (300.0, 3400.0)  # Hz


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        path: relative to the corpora's folder.
        label: one of the nine emotions.
        speaker: who speaks, unique among all corpora.
    """

    path: str
    label: str
    speaker: str


def read_list(corpora: Path, name: str) -> list[Clip]:
    """The clips of ``<corpora>/<name>.tsv``, in its order."""
    with (corpora / f"{name}.tsv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Clip(row["path"], row["label"], row["speaker"]) for row in rows]


def select(clips: Sequence[Clip], labels: Sequence[str]) -> list[Clip]:
    """Those clips that carry one of the labels."""
    return [clip for clip in clips if clip.label in labels]


def read_waveform(path: Path) -> Waveform:
    """The whole recording: float32, mono, 16 kHz, (samples,)."""
    with (
        open_recording(path, max_bytes=_MAX_BYTES) as recording,
        decode(recording, max_seconds=_MAX_SECONDS) as decoding,
    ):
        return np.concatenate(list(decoding.blocks()))


def copies(waveform: Waveform, seed: int) -> list[Waveform]:
    """The waveform over a telephone line, and in pink noise; each as long as the original."""
    rng = np.random.default_rng(seed)
    band = butter(4, _TELEPHONE, "bandpass", fs=SAMPLE_RATE, output="sos")
    telephone = sosfilt(band, waveform).astype(np.float32)
    return [telephone, waveform + _pink_noise(waveform, rng)]


def _pink_noise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Noise whose power falls by 3 dB an octave, `_NOISE_BELOW` the signal."""
    spectrum = np.fft.rfft(rng.standard_normal(len(waveform)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(waveform))
    wanted = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-_NOISE_BELOW / 20)
    scaled: Waveform = (noise * wanted / max(float(noise.std()), 1e-12)).astype(np.float32)
    return scaled
