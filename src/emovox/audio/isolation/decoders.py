"""The decoders: processes that decode files. A file that breaks FFmpeg costs one of them and one recording."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from emovox.audio.decoded import Decoded
from emovox.audio.isolation.process import Process, number, understood


class Decoders:
    """A fixed number of decoding processes, each replaced when it dies, hangs or grows old."""

    def __init__(self, count: int, *, memory: int, stall: float) -> None:
        """Prepare; `start` starts them, or else the first recordings do.

        Args:
            count: of processes, at most.
            memory: address space of each, bytes.
            stall: seconds without progress after which one is killed.
        """
        self._count, self._memory, self._stall = count, memory, stall
        self._free: asyncio.LifoQueue[Process | None] = asyncio.LifoQueue()  # warm ones on top
        self._all: set[Process] = set()
        for _ in range(count):
            self._free.put_nowait(None)

    async def start(self) -> None:
        """Start the processes.

        Raises:
            DecoderError: one can't be started.
        """
        started = await asyncio.gather(*(self.take() for _ in range(self._count)), return_exceptions=True)
        for process in started:
            if isinstance(process, Process):
                await self.give_back(process)
        for error in started:
            if isinstance(error, BaseException):
                raise error

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*map(self._end, list(self._all)))

    async def decode(
        self,
        source: Path,
        target: Path,
        *,
        name: str | None,
        channel: int | None,
        track: int | None = None,
        max_bytes: int,
        max_seconds: float,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Decoded:
        """Decode the file `source` into `target`.

        Raises:
            AudioError: it can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: no process can be started, or there is no disk space for `target`.
        """
        request = {
            "do": "write",
            "source": str(source),
            "target": str(target),
            "name": None,
            "channel": channel,
            "track": track,
            "max_bytes": max_bytes,
            "max_seconds": max_seconds,
        }
        async with self._borrowed() as process:
            answer = await process.ask(request, progress)
        with understood():
            return Decoded(
                path=target,
                name=None if name is None else name.encode(errors="replace").decode(),
                sha256=str(answer["sha256"]),
                sample_rate=int(answer["sample_rate"]),
                channels=int(answer["channels"]),
                channel=number(answer["channel"]),
                codec=answer["codec"],
                samples=int(answer["samples"]),
                warnings=tuple(answer["warnings"]),
                track=number(answer["track"]),
                tracks=tuple(map(str, answer["tracks"])),
            )

    async def channels(self, source: Path, *, track: int | None = None, max_bytes: int) -> int:
        """How many channels the file `source` has, according to its header.

        Raises:
            AudioError: it can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: no process can be started.
        """
        request = {"do": "count", "source": str(source), "name": None, "track": track, "max_bytes": max_bytes}
        async with self._borrowed() as process:
            answer = await process.ask(request)
        with understood():
            return int(answer["channels"])

    async def take(self) -> Process:
        """A process for one request, as soon as one is free; the caller gives it back.

        Raises:
            DecoderError: none can be started.
        """
        process = await self._free.get()
        try:
            if process is not None and not process.usable:  # it died while idle
                await self._end(process)
            if process is None or not process.usable:
                process = None
                process = await Process.start(memory=self._memory, stall=self._stall)
                self._all.add(process)
        except BaseException:
            self._free.put_nowait(process)
            raise
        return process

    async def give_back(self, process: Process) -> None:
        """Give a process back; it is ended if it is of no more use, as after a request was given up."""
        try:
            if not process.usable:
                await self._end(process)
        finally:
            self._free.put_nowait(process if process.usable else None)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Process]:
        process = await self.take()
        try:
            yield process
        finally:
            # Even if the request was cancelled: a half-finished answer must not go to the next one.
            await asyncio.shield(self.give_back(process))

    async def _end(self, process: Process) -> None:
        await process.kill()
        self._all.discard(process)
