"""What is worth a warning about a recording: its level, its length, what could not be decoded."""

import numpy as np

from emovox.audio.waveform import SAMPLE_RATE, Waveform

CHANNELS_CANCEL, SILENT_TRACK = "channels_cancel", "silent_track"
WARNINGS = {
    "silence": "nothing but silence: the emotion is unknown",
    "quiet": "very quiet (peak below -40 dBFS): check the microphone's level",
    "clipped": "overdriven: many samples at full scale, which distorts the voice",
    "short": "shorter than 1 s: little to judge by",
    "truncated": "less sound than its header says: only what could be decoded is used",
    "damaged": "some parts could not be decoded and were left out",
    CHANNELS_CANCEL: "the channels cancel each other out: only the loudest one is used",
    SILENT_TRACK: "the main audio track is silent: another one is used (choose with --track)",
}
"""Every warning code, with its meaning."""

SILENCE = 2.0**-15  # one step of 16-bit audio: processed_audio.wav would hold nothing
QUIET = 0.01  # -40 dBFS
FULL_SCALE = 0.999
CLIPPED_SHARE = 0.001  # of all samples; normalising leaves single peaks at full scale
SHORT = 1.0  # seconds


class Level:
    """Peak and clipping of a recording, gathered block by block at its own rate, before resampling."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._samples = 0
        self._at_full_scale = 0

    def add(self, channels: Waveform, mono: Waveform) -> None:
        """Take samples (n, channels), for clipping, and their mean (n,), which the model gets."""
        if mono.size:
            self.peak = max(self.peak, float(np.abs(mono).max()))
            self._samples += channels.size
            self._at_full_scale += int(np.count_nonzero(np.abs(channels) >= FULL_SCALE))

    @property
    def silent(self) -> bool:
        """Whether no sample exceeds one step of 16-bit audio."""
        return self.peak <= SILENCE

    def warnings(self, samples: int) -> list[str]:
        """The codes for level and length (16 kHz samples), in the order of `WARNINGS`."""
        codes = []
        if self.silent:
            codes.append("silence")
        elif self.peak < QUIET:
            codes.append("quiet")
        if self._at_full_scale > CLIPPED_SHARE * self._samples:
            codes.append("clipped")
        if samples < SHORT * SAMPLE_RATE:
            codes.append("short")
        return codes
