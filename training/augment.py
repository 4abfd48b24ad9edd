"""Copies of a recording as worse rooms, lines and microphones would give them.

Every function takes and gives float32, mono, 16 kHz, (samples,), and a generator where chance plays a part.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from scipy.signal import butter, fftconvolve, sosfilt

from emovox.audio.waveform import SAMPLE_RATE, Waveform

Generator = np.random.Generator
Condition = Literal["noise", "telephone", "reverb"]

LINE_RATE = 8_000
LINE_BAND = (300.0, 3400.0)  # Hz
_CODECS = (("libopus", "ogg", 8_000), ("libopus", "ogg", 12_000), ("amr", "amr", 7_950), ("mp3", "mp3", 16_000))

_WIDE_CODECS = (("libopus", "ogg", (12_000, 20_000, 32_000)), ("mp3", "mp3", (24_000, 48_000)))


@dataclass(frozen=True)
class Surroundings:
    """Rooms and noises to choose from; those of training and of tests share none.

    Attributes:
        rooms: impulse responses, (samples,) each.
        noises: recorded noise, (samples,) each.
    """

    rooms: Sequence[Waveform]
    noises: Sequence[Waveform]


def degrade(waveform: Waveform, rng: Generator, surroundings: Surroundings) -> Waveform:
    """A copy with at least one thing changed: speed and pitch, microphone, room, noise, line, clipping, bits."""
    steps: list[tuple[float, Callable[[Waveform], Waveform]]] = [
        (0.5, lambda wave: resampled(wave, rng.uniform(0.86, 1.16))),
        (0.4, lambda wave: coloured(wave, rng)),
        (0.4, lambda wave: reverberated(wave, _choose(surroundings.rooms, rng))),
        (0.6, lambda wave: with_noise(wave, rng.uniform(0, 30), rng, surroundings)),
        (0.35, lambda wave: telephone(wave, rng)),
        (0.1, lambda wave: clipped(wave, rng.uniform(0.1, 0.6))),
        (0.2, lambda wave: quantised(wave, rng.uniform(-50, -10))),
    ]
    wanted = np.zeros(len(steps), bool)
    while not wanted.any():
        wanted = rng.random(len(steps)) < [chance for chance, _ in steps]
    for (_, change), yes in zip(steps, wanted, strict=True):
        waveform = change(waveform) if yes else waveform
    return waveform


def condition(name: Condition, waveform: Waveform, rng: Generator, surroundings: Surroundings) -> Waveform:
    """One test condition: noise 10 dB below the voice, a telephone line with a codec, or a room."""
    if name == "noise":
        return with_noise(waveform, 10, rng, surroundings)
    if name == "telephone":
        return telephone(waveform, rng)
    return reverberated(waveform, _choose(surroundings.rooms, rng))


def piece(waveform: Waveform, seconds: float, rng: Generator) -> Waveform:
    """A piece that long, or all of it, from where it is louder than in half of all places."""
    size, step = round(seconds * SAMPLE_RATE), SAMPLE_RATE // 20
    starts = np.arange(0, len(waveform) - size + 1, step)
    if not len(starts):
        return waveform
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    loudness = energy[starts + size] - energy[starts]
    start = int(rng.choice(starts[loudness >= np.median(loudness)]))
    return waveform[start : start + size]


def placed(waveform: Waveform, rng: Generator, surroundings: Surroundings) -> Waveform:
    """As everyday recordings come: a few words between pauses, another microphone, room and coding.

    Emotional and everyday clips alike: what tells them apart then is how they are spoken.
    """
    if rng.random() < 0.3:
        waveform = resampled(waveform, rng.uniform(0.9, 1.1))
    count = int(rng.choice([0, 1, 2, 3], p=[0.3, 0.5, 0.1, 0.1]))  # pieces; 0: all of it
    parts = [piece(waveform, float(np.exp(rng.uniform(np.log(0.4), np.log(2.5)))), rng) for _ in range(count)]
    parts = parts or [waveform]
    longest = float(rng.choice([0.0, 0.6, 3.0], p=[0.3, 0.5, 0.2]))  # pause, s
    pauses = [np.zeros(int(rng.uniform(0, longest) * SAMPLE_RATE), np.float32) for _ in range(len(parts) + 1)]
    waveform = np.concatenate([pauses[0], *(x for pair in zip(parts, pauses[1:], strict=True) for x in pair)])
    if rng.random() < 0.5:
        waveform = coloured(waveform, rng)
    if rng.random() < 0.3:
        waveform = reverberated(waveform, _choose(surroundings.rooms, rng))
    if rng.random() < 0.7:
        waveform = with_noise(waveform, rng.uniform(5, 45), rng, surroundings)
    if rng.random() < 0.2:
        waveform = telephone(waveform, rng)
    elif rng.random() < 0.7:
        waveform = coded(waveform, rng)
    return quantised(waveform, rng.uniform(-45, -3)) if rng.random() < 0.3 else waveform


def coded(waveform: Waveform, rng: Generator) -> Waveform:
    """Through a codec of wide band, about as long as before."""
    peak = max(float(np.abs(waveform).max()), 1e-9)
    codec, container, rates = _WIDE_CODECS[int(rng.integers(len(_WIDE_CODECS)))]
    return _through(waveform / peak * np.float32(0.5), codec, container, int(rng.choice(rates)), SAMPLE_RATE)


def resampled(waveform: Waveform, speed: float) -> Waveform:
    """Played faster and higher, or slower and lower."""
    return np.asarray(soxr.resample(waveform, SAMPLE_RATE * speed, SAMPLE_RATE), np.float32)


def voiced(waveform: Waveform, rng: Generator) -> Waveform:
    """In another voice: played at 0.8 to 1.25 times the speed, so that pitch and formants move too."""
    return resampled(waveform, float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))))


def coloured(waveform: Waveform, rng: Generator) -> Waveform:
    """As another microphone hears it: smooth random gains, 4 dB in deviation, at eight points to 8 kHz."""
    bins = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    gains = np.interp(np.log(np.maximum(bins, 60)), np.log(np.geomspace(60, 8000, 8)), 4 * rng.standard_normal(8))
    return np.fft.irfft(np.fft.rfft(waveform) * 10 ** (gains / 20), len(waveform)).astype(np.float32)


def reverberated(waveform: Waveform, room: Waveform) -> Waveform:
    """As heard in a room, as long as before."""
    return np.asarray(fftconvolve(waveform, room)[: len(waveform)], np.float32)


def with_noise(waveform: Waveform, ratio: float, rng: Generator, surroundings: Surroundings) -> Waveform:
    """With noise whose mean power lies `ratio` dB below the recording's."""
    noise = _noise(len(waveform), rng, surroundings.noises)
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    scale = np.sqrt(power * 10 ** (-ratio / 10)) / max(float(noise.std()), 1e-9)
    return waveform + np.float32(scale) * noise


def telephone(waveform: Waveform, rng: Generator) -> Waveform:
    """The telephone's band at 8 kHz, through a codec or G.711's µ-law, as long as before."""
    band = butter(4, LINE_BAND, "bandpass", fs=LINE_RATE, output="sos")
    line = np.asarray(sosfilt(band, soxr.resample(waveform, SAMPLE_RATE, LINE_RATE)), np.float32)
    peak = max(float(np.abs(line).max()), 1e-9)
    line = line / peak * np.float32(0.5)
    kind = int(rng.integers(len(_CODECS) + 1))
    line = _through(line, *_CODECS[kind]) if kind < len(_CODECS) else _companded(line)
    back = soxr.resample(line, LINE_RATE, SAMPLE_RATE)[: len(waveform)]
    return np.pad(back, (0, len(waveform) - len(back))).astype(np.float32)


def clipped(waveform: Waveform, share: float) -> Waveform:
    """Cut off at a share of the peak."""
    top = share * float(np.abs(waveform).max())
    return np.clip(waveform, -top, top)


def quantised(waveform: Waveform, level: float) -> Waveform:
    """With its peak at `level` dBFS, rounded to 16 bits."""
    peak = max(float(np.abs(waveform).max()), 1e-9)
    rounded: Waveform = np.rint(waveform / np.float32(peak) * np.float32(32767 * 10 ** (level / 20))) / np.float32(
        32767
    )
    return rounded


def simulated_rooms(count: int, seed: int) -> list[Waveform]:
    """Impulse responses of shoebox rooms of random sizes and reverberation (0.2 to 1 s), by image sources."""
    import pyroomacoustics  # noqa: PLC0415  slow to import, and only rooms need it

    rng = np.random.default_rng(seed)
    rooms: list[Waveform] = []
    while len(rooms) < count:
        size = rng.uniform([3, 3, 2.4], [10, 8, 4])
        try:
            absorption, order = pyroomacoustics.inverse_sabine(rng.uniform(0.2, 1.0), size)
        except ValueError:  # no wall absorbs enough for so large a room and so short a time
            continue
        room = pyroomacoustics.ShoeBox(
            size, fs=SAMPLE_RATE, materials=pyroomacoustics.Material(absorption), max_order=min(order, 12)
        )
        room.add_source(rng.uniform(0.5, size - 0.5))
        room.add_microphone(rng.uniform(0.5, size - 0.5))
        room.compute_rir()
        rooms.append(_from_peak(np.asarray(room.rir[0][0], np.float32)))
    return rooms


def synthetic_rooms(count: int, seed: int) -> list[Waveform]:
    """Impulse responses as noise that decays by 60 dB in 0.2 to 1.2 s behind the direct sound."""
    rng = np.random.default_rng(seed)
    rooms: list[Waveform] = []
    for _ in range(count):
        seconds = rng.uniform(0.2, 1.2)
        time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
        tail *= 10 ** (-rng.uniform(-3, 9) / 20) / np.linalg.norm(tail)  # direct to reverberant, dB
        tail[0] = 1
        rooms.append(tail.astype(np.float32))
    return rooms


def _from_peak(response: Waveform) -> Waveform:
    """The response from its direct sound on, so that the voice keeps its place."""
    return response[max(0, int(np.abs(response).argmax()) - 16) :]


def _choose(things: Sequence[Waveform], rng: Generator) -> Waveform:
    return things[int(rng.integers(len(things)))]


def _noise(size: int, rng: Generator, noises: Sequence[Waveform]) -> Waveform:
    """White, pink or brown noise, or recorded: one as likely as another."""
    kind = int(rng.integers(4))
    if kind == 3 and noises:
        recorded = _choose(noises, rng)
        start = int(rng.integers(len(recorded)))
        return np.resize(np.roll(recorded, -start), size).astype(np.float32)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (0.5 * (kind % 3))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, size).astype(np.float32)


def _companded(line: Waveform) -> Waveform:
    """Through G.711's µ-law, 8 bits a sample."""
    code = np.rint(127 * np.sign(line) * np.log1p(255 * np.abs(line)) / np.log(256)) / 127
    return np.asarray(np.sign(code) * (256 ** np.abs(code) - 1) / 255, np.float32)


def _through(line: Waveform, codec: str, container: str, rate: int, sample_rate: int = LINE_RATE) -> Waveform:
    """Encoded and decoded again at its sample rate; the codec's delay is cut off where its container tells it."""
    if codec == "amr":
        if not (encoder := _amr()):
            return _companded(line)
        codec = encoder
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = cast("AudioStream", file.add_stream(codec, rate=sample_rate))
        stream.bit_rate = rate
        stream.layout = "mono"
        samples = np.rint(np.clip(line, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=sample_rate, frame_size=stream.frame_size
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    buffer.seek(0)
    back = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    with av.open(buffer, "r") as encoded:
        blocks = [block for frame in encoded.decode(audio=0) for block in back.resample(frame)]
        blocks += back.resample(None)
    return np.concatenate([block.to_ndarray()[0] for block in blocks]).astype(np.float32)


@cache
def _amr() -> str | None:
    """The name of an AMR narrow-band encoder in this FFmpeg, if it has one."""
    for name in ("libopencore_amrnb", "amr_nb"):
        try:
            av.Codec(name, "w")
        except ValueError:
            continue
        return name
    return None
