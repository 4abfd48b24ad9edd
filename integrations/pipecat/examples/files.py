"""Recognise recordings as if they were spoken to an agent now: python files.py RECORDING… [--prompt en] [--url URL]."""

import argparse
import asyncio
import itertools

from emovox_pipecat import EmovoxProcessor, UserEmotionFrame, UserTurnEmotionFrame  # isort: skip  before ONNX Runtime

import av
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import EndFrame, InputAudioRawFrame, LLMMessagesAppendFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

RATE, PIECE = 16_000, 0.02  # Hz, seconds
SILENCE = bytes(2 * int(RATE * PIECE))


class Printer(FrameProcessor):
    """Prints what was recognised; in an agent there are STT, LLM and TTS instead."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, UserTurnEmotionFrame):
            turn = frame.turn
            print(f"{turn.start:6.2f}–{turn.end:.2f} s  {turn.emotion} {turn.confidence or 0:.0%}  {turn.values or ''}")
        elif isinstance(frame, UserEmotionFrame):
            print(f"{frame.event.time:6.2f} s  … {frame.event.emotion}")
        elif isinstance(frame, LLMMessagesAppendFrame):
            print(f"          {frame.messages[0]['content']}")
        await self.push_frame(frame, direction)


def pieces(paths):
    """A recording after the other, with a second of silence behind each."""
    size = len(SILENCE)
    for path in paths:
        resampler, sound = av.AudioResampler("s16", "mono", RATE), b""
        with av.open(path) as recording:
            for frame in itertools.chain(recording.decode(audio=0), [None]):
                sound += b"".join(part.to_ndarray().tobytes() for part in resampler.resample(frame))
        yield from (sound[first : first + size] for first in range(0, len(sound) - size + 1, size))
        yield from itertools.repeat(SILENCE, int(1 / PIECE))


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--prompt", choices=["en", "zh"])
    parser.add_argument("--url", help="of a service; by default lite runs here")
    options = parser.parse_args()
    emovox = EmovoxProcessor(model="lite", url=options.url, baseline="self", prompt=options.prompt)
    pipeline = Pipeline([VADProcessor(vad_analyzer=SileroVADAnalyzer()), emovox, Printer()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=RATE), enable_rtvi=False)

    @worker.event_handler("on_pipeline_started")
    async def speak(worker, _):
        for piece in pieces(options.recordings):
            await worker.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
            await asyncio.sleep(PIECE)
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


asyncio.run(main())
