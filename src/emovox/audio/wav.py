"""Writing WAV: 16 kHz mono 16-bit PCM, block by block."""

import wave
from pathlib import Path

import numpy as np

from emovox import private
from emovox.audio.waveform import SAMPLE_RATE, Waveform


class WavWriter:
    """A WAV file that grows with each block; closing it completes the header.

    A sample x becomes round(32768 x), held within 16 bits: 16-bit recordings at 16 kHz come back unchanged.
    """

    def __init__(self, path: Path) -> None:
        self._raw = private.create(path, "wb")
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115  closed by `close`
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)

    def write(self, block: Waveform) -> None:
        """Append samples (n,)."""
        pcm = np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2")
        self._file.writeframesraw(pcm.tobytes())

    def close(self) -> None:
        """Complete the header. A second call does nothing."""
        try:
            self._file.close()
        finally:
            self._raw.close()
