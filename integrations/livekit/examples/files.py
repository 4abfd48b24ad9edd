"""Recognise recordings as if they were spoken to an agent now: python files.py RECORDING… [--url URL].

It needs no LiveKit server, and no account: the session's sound comes from the files.
"""

import argparse
import asyncio
import itertools

import av
from emovox_livekit import EmovoxListener
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference
from livekit.agents.voice.io import AudioInput

RATE, PIECE = 16_000, 0.02  # Hz, seconds
SILENCE = bytes(2 * int(RATE * PIECE))


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


class Files(AudioInput):
    """What a session listens to; in an agent it is a room's participant."""

    def __init__(self, paths):
        super().__init__(label="files")
        self._pieces, self.ended = pieces(paths), asyncio.Event()

    async def __anext__(self):
        await asyncio.sleep(PIECE)
        piece = next(self._pieces, None)
        if piece is None:
            self.ended.set()
            await asyncio.Event().wait()
        return rtc.AudioFrame(piece, RATE, 1, len(piece) // 2)


def show(turn):
    """Print a turn; an agent would do something about it."""
    print(f"{turn.start:6.2f}–{turn.end:.2f} s  {turn.emotion} {turn.confidence or 0:.0%}  {turn.values or ''}")


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--url", help="of a service; by default lite runs here")
    options = parser.parse_args()
    session = AgentSession(vad=inference.VAD())
    session.input.audio = files = Files(options.recordings)
    listener = EmovoxListener(model="lite", url=options.url, baseline="self")
    listener.on("user_turn_emotion", show)
    listener.on("user_emotion", lambda event: print(f"{event.time:6.2f} s  … {event.emotion}"))
    await listener.start(session)
    await session.start(Agent(instructions="none: it has no LLM"), record=False)
    await files.ended.wait()
    await session.aclose()


asyncio.run(main())
