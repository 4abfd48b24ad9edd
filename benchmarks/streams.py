"""Live streams at real-time pace: how late their events come, how many there are, and what they cost.

PYTHONPATH=src:tests python -m benchmarks.streams CORPUS [--streams 24,32,40] [--seconds 30] [--rate 16000]

CORPUS is a directory of recordings of speech, which are joined with pauses, a stream's always the same. The
service is a process of its own; the clients are another, which sends pieces of 85 ms, as the page does, each when
a microphone would have it. An event's delay is from the end of the sound that it speaks of to its arrival, so half
a piece is in it. Where events thin out, compare by the processor time of an event in speech: others cost little.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from emovox.audio.files import find
from emovox.audio.waveform import SAMPLE_RATE
from support.service import ServiceProcess
from support.zoo import decoded

PIECE = 4096 / 48_000  # seconds
PAUSES = (0.2, 1.5)  # seconds
STEP = 0.25  # seconds between events
SPREAD = 1.0  # seconds over which the streams begin


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        delays: of events, seconds.
        speech: whether each spoke of speech.
        expected: events.
    """

    delays: list[float] = field(default_factory=list)
    speech: list[bool] = field(default_factory=list)
    expected: int = 0


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--streams", default="24,32,40")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=int, default=SAMPLE_RATE)
    options = parser.parse_args()
    counts = [int(word) for word in options.streams.split(",")]
    sounds = [sound(options.corpus, number, options.seconds, options.rate) for number in range(max(counts))]
    print(
        "| streams | events given | p50 s | p95 s | worst s | service: cores | ms an event in speech | "
        "clients: cores |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        service = ServiceProcess(Path(place) / "outputs", max_streams=max(counts))
        try:
            service.wait_until_ready()
            address = f"ws://127.0.0.1:{service.client.base_url.port}/v1/live"
            asyncio.run(run(address, [sounds[0][: 3 * options.rate]], options.rate))  # warms up
            for count in counts:
                began, before, own = time.monotonic(), spent(service.process.pid), time.process_time()
                seen = asyncio.run(run(address, sounds[:count], options.rate))
                wall = time.monotonic() - began
                used, own = spent(service.process.pid) - before, time.process_time() - own
                p50, p95, worst = np.quantile(seen.delays, (0.5, 0.95, 1))
                print(
                    f"| {count} | {len(seen.delays) / seen.expected:.1%} | {p50:.2f} | {p95:.2f} | {worst:.2f} | "
                    f"{used / wall:.2f} | {1000 * used / max(1, sum(seen.speech)):.1f} | {own / wall:.2f} |",
                    flush=True,
                )
        finally:
            service.end()
    print(f"\nload {os.getloadavg()[0]:.1f}")


def sound(corpus: str, number: int, seconds: float, rate: int) -> NDArray[np.int16]:
    """Recordings joined with pauses."""
    draw = random.Random(number)
    files, pieces, size = find(corpus), [], 0
    while size < seconds * SAMPLE_RATE:
        pause = np.zeros(round(draw.uniform(*PAUSES) * SAMPLE_RATE), np.float32)
        clip, _ = decoded(draw.choice(files))
        pieces += [pause, clip * np.float32(0.5 / max(1e-3, np.abs(clip).max()))]
        size += len(pause) + len(clip)
    waveform = soxr.resample(np.concatenate(pieces)[: round(seconds * SAMPLE_RATE)], SAMPLE_RATE, rate, "HQ")
    return np.asarray(np.clip(32_768 * waveform, -32_768, 32_767), "<i2")


async def run(address: str, sounds: list[NDArray[np.int16]], rate: int) -> Seen:
    """All streams at once."""
    seen, draw = Seen(), random.Random(0)
    await asyncio.gather(*(stream(address, samples, rate, draw.uniform(0, SPREAD), seen) for samples in sounds))
    return seen


async def stream(address: str, samples: NDArray[np.int16], rate: int, wait: float, seen: Seen) -> None:
    """One stream, from its beginning to its end."""
    await asyncio.sleep(wait)
    async with connect(address) as socket:
        await socket.send(json.dumps({"sample_rate": rate}))
        began = time.monotonic()

        async def receive() -> None:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "update":
                    seen.delays.append(time.monotonic() - began - event["time"])
                    seen.speech.append(event["speech"])
                elif event["type"] == "problem":
                    raise SystemExit(message)

        receiving = asyncio.create_task(receive())
        size = round(PIECE * rate)
        for first in range(0, len(samples), size):
            piece = samples[first : first + size]
            await asyncio.sleep(max(0.0, began + (first + len(piece)) / rate - time.monotonic()))
            await socket.send(piece.tobytes())
        await socket.send(json.dumps({"type": "end"}))
        await receiving
    seen.expected += int(len(samples) / rate / STEP)


def spent(pid: int) -> float:
    """Processor time of a process and the children that it waited for, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
