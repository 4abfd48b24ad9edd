"""How long after a turn's end an agent knows what it sounded like, at real-time pace, and how late its loop is.

python -m benchmarks.turns CORPUS [--turns 30] [--model lite] [--url http://localhost:7860] [--pipecat]

CORPUS is a directory of recordings of speech, one a turn, each followed by 0.3 s of silence, as a VAD waits. Sound
comes in pieces of 20 ms. The delay is from the call that ends the turn to the result in the event loop; or in a
pipeline of Pipecat's (integrations/pipecat), from the VAD's frame to ours behind the processor. How much later
than it should a piece is sent shows what keeps the event loop from its work.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.files import find
from emovox.audio.waveform import SAMPLE_RATE
from emovox.turns import Turns
from support.zoo import decoded

PIECE = 320  # samples
REST = 4800  # samples of silence

Sound = NDArray[np.int16]
End = Callable[[], Awaitable[None]]


def main() -> None:
    """Measure, and print a row in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--url", help="of a service to ask instead")
    parser.add_argument("--pipecat", action="store_true", help="in a pipeline of Pipecat's")
    options = parser.parse_args()
    paths = random.Random(1).sample(sorted(find(options.corpus)), options.turns)
    sounds = [sound(path) for path in paths]
    arguments = {"model": options.model, "url": options.url, "baseline": "self"}
    before = time.process_time()
    measure = in_pipecat if options.pipecat else by_itself
    delays, late = asyncio.run(measure(sounds, arguments))
    spent = (time.process_time() - before) / sum(len(item) / SAMPLE_RATE for item in sounds)
    print("| turns | median ms | 95 % | slowest | pieces late, median ms | 99 % | CPU s a second | load, cores |")
    print("|---|---|---|---|---|---|---|---|")
    told = [np.percentile(np.array(delays) * 1000, share) for share in (50, 95, 100)]
    waited = [np.percentile(np.array(late) * 1000, share) for share in (50, 99)]
    numbers = " | ".join(f"{number:.1f}" for number in [*told, *waited])
    print(f"| {len(delays)} | {numbers} | {spent:.3f} | {os.getloadavg()[0]:.1f}, {os.cpu_count()} |")


def sound(path: Path) -> Sound:
    """A turn, int16 (n,), with silence behind it."""
    samples = np.concatenate([decoded(path)[0], np.zeros(REST, np.float32)])
    return (samples[: len(samples) // PIECE * PIECE] * 32767).astype(np.int16)


async def spoken(samples: Sound, send: Callable[[Sound], Awaitable[None]], late: list[float]) -> None:
    """Send a turn's pieces, each when a microphone would have it."""
    began = time.perf_counter()
    for number, first in enumerate(range(0, len(samples), PIECE), 1):
        await asyncio.sleep(max(0.0, began + number * PIECE / SAMPLE_RATE - time.perf_counter()))
        late.append(time.perf_counter() - began - number * PIECE / SAMPLE_RATE)
        await send(samples[first : first + PIECE])


async def by_itself(sounds: list[Sound], arguments: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Delays of turns, and of pieces, in seconds."""
    turns = Turns(**arguments)
    await asyncio.wrap_future(turns.ready)

    async def send(piece: Sound) -> None:
        turns.push(piece, SAMPLE_RATE)

    delays: list[float] = []
    late: list[float] = []
    for samples in sounds:
        turns.begin()
        await spoken(samples, send, late)
        ended = time.perf_counter()
        if await asyncio.wrap_future(turns.end()) is not None:
            delays.append(time.perf_counter() - ended)
    turns.close()
    return delays, late


async def in_pipecat(sounds: list[Sound], arguments: dict[str, Any]) -> tuple[list[float], list[float]]:
    """The same, with Pipecat's frames."""
    from pipecat.frames import frames  # noqa: PLC0415
    from pipecat.pipeline.pipeline import Pipeline  # noqa: PLC0415
    from pipecat.pipeline.worker import PipelineWorker  # noqa: PLC0415
    from pipecat.processors.frame_processor import FrameProcessor  # noqa: PLC0415
    from pipecat.workers.runner import WorkerRunner  # noqa: PLC0415

    from emovox_pipecat import EmovoxProcessor, UserTurnEmotionFrame  # noqa: PLC0415  needs Pipecat

    delays: list[float] = []
    late: list[float] = []
    ended, told = 0.0, asyncio.Event()

    class Sink(FrameProcessor):  # type: ignore[misc,unused-ignore]
        async def process_frame(self, frame: Any, direction: Any) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, UserTurnEmotionFrame):
                delays.append(time.perf_counter() - ended)
                told.set()
            await self.push_frame(frame, direction)

    worker = PipelineWorker(Pipeline([EmovoxProcessor(**arguments), Sink()]), enable_rtvi=False)

    async def send(piece: Sound) -> None:
        audio = piece.tobytes()
        await worker.queue_frame(frames.InputAudioRawFrame(audio=audio, sample_rate=SAMPLE_RATE, num_channels=1))

    async def speak(*_: Any) -> None:
        nonlocal ended
        for samples in sounds:
            await worker.queue_frame(frames.VADUserStartedSpeakingFrame())
            await spoken(samples, send, late)
            told.clear()
            ended = time.perf_counter()
            await worker.queue_frame(frames.VADUserStoppedSpeakingFrame())
            await asyncio.wait_for(told.wait(), 5)
        await worker.queue_frame(frames.EndFrame())

    worker.add_event_handler("on_pipeline_started", speak)
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()
    return delays, late


if __name__ == "__main__":
    main()
