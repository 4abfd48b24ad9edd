"""The isolated decoder: decodes in processes that may die, for synchronous callers in any thread."""

import asyncio
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from emovox.audio.isolation.decoders import Decoders
from emovox.audio.isolation.process import Message, Process, number, understood
from emovox.audio.recording import Source, open_recording
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import AudioError, EmovoxError
from emovox.settings import settings

Result = TypeVar("Result")

AT_ONCE = 32  # recordings at once, from as many threads; others wait


class IsolatedDecoding:
    """Like `decoding.Decoding`, for a recording that another process decodes.

    Attributes:
        name: what to call it in results.
        sha256: of the encoded file.
        channel: the one that is given, from 1; None: the mean of all.
        track: which of its audio tracks it is, from 1; None where there is no other.
        tracks: what its audio tracks are called; empty where there is one.
        codec: FFmpeg's name of it.
        samples: 16 kHz samples given so far.
        channels: the recording's own, with the first of `blocks`.
        sample_rate: the recording's own, Hz, once `blocks` is exhausted.
        warnings: codes of `quality.WARNINGS`, in their order, likewise.
    """

    def __init__(self, receive: Callable[[], Message], max_seconds: float) -> None:
        """Wait for the facts.

        Raises:
            AudioError: it can't be used.
        """
        self._receive, self._most = receive, max_seconds * SAMPLE_RATE
        self.samples = self.sample_rate = self.channels = 0
        self.warnings: tuple[str, ...] = ()
        message = self._part()
        with understood():
            facts = cast("dict[str, Any]", message)["opened"]
            self.name, self.codec = cast("str | None", facts["name"]), cast("str | None", facts["codec"])
            self.sha256 = str(facts["sha256"])
            self.channel, self.track = number(facts["channel"]), number(facts["track"])
            self.tracks = tuple(map(str, facts["tracks"]))

    def blocks(self) -> Iterator[Waveform]:
        """Give the waveform, float32 mono 16 kHz, block by block, once.

        Raises:
            AudioError: it can't be used.
            DecoderError: there is no disk space for the waveform.
        """
        while isinstance(message := self._part(), bytes):
            block = np.frombuffer(message, "<f4")
            self.samples += len(block)
            with understood():
                if self.samples > self._most:
                    raise ValueError("more than was allowed")
            yield block
        with understood():
            facts = message["done"]
            self.sample_rate, self.channels = int(facts["sample_rate"]), int(facts["channels"])
            self.warnings = tuple(facts["warnings"])

    def _part(self) -> Message:
        while isinstance(message := self._receive(), dict) and message.keys() & {"seconds", "channels"}:
            with understood():
                self.channels = int(cast("Any", message.get("channels", self.channels)))
        return message


class IsolatedDecoder:
    """Decodes recordings in processes that may die, within the limits of the settings; threads may share it.

    The processes end with it, or with the program.
    """

    def __init__(self) -> None:
        """Start a process without waiting for it."""
        self._settings = settings()
        self._begin()

    def _begin(self) -> None:
        memory, stall = self._settings.decoder_memory, self._settings.decode_stall
        self._pid = os.getpid()
        self._background = _Background(Decoders(AT_ONCE, memory=memory, stall=stall))
        weakref.finalize(self, self._background.close)  # at exit, too
        # The expected recording and the process already decoding it: one each, or none. Popping is thread-safe.
        self._expected: list[dict[str, Any]] = []
        self._ahead: list[tuple[dict[str, Any], Future[Process]]] = []

    def expect(
        self, path: str | os.PathLike[str], *, channel: int | None = None, track: int | None = None
    ) -> None:
        """Announce the recording that will be opened after the next: it is decoded as soon as that one is.

        Only a megabyte or two of it, until it is opened.
        """
        self._expected[:] = [self._request(path, None, channel, track)]

    @contextmanager
    def open(
        self,
        source: Source,
        *,
        name: str | None = None,
        channel: int | None = None,
        track: int | None = None,
    ) -> Iterator[IsolatedDecoding]:
        """Open a recording's sound, as `open_recording` and `decode` do together.

        Args:
            source: a path, encoded bytes, or a file object; an array needs no decoding.
            name: what to call it in results; by default the file's name.
            channel: give this one alone, from 1; by default the mean of all.
            track: take this audio track, from 1; by default the main one.

        Raises:
            AudioError: it can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: no process can be started.
        """
        if self._pid != os.getpid():  # a fork has its parent's processes, but not the thread
            self._begin()
        background = self._background
        with ExitStack() as stack:
            stack.callback(self._decode_ahead)
            path = content = None
            if isinstance(source, (str, os.PathLike)):
                path = str(Path(source))
            else:
                most = self._settings.max_file_size
                recording = stack.enter_context(open_recording(source, name=name, max_bytes=most))
                name, content = recording.name, recording.file
            request = self._request(source, name, channel, track)

            def run(work: Coroutine[Any, Any, Result]) -> Result:
                try:
                    return background.run(work)
                except AudioError as error:  # errors are about the name that was given
                    given = path is not None and error.name == request["source"]
                    raise type(error)(error.reason, path if given else error.name or request["name"]) from error

            process = self._decoded_ahead(request)
            if process is not None:
                stack.callback(background.give_back, process)
            else:
                process = background.take()
                stack.callback(background.give_back, process)
                run(process.send(request, content))
            yield IsolatedDecoding(lambda: run(process.receive()), self._settings.max_duration)

    def _request(self, source: Source, name: str | None, channel: int | None, track: int | None) -> dict[str, Any]:
        path = None
        if isinstance(source, (str, os.PathLike)):
            name = name or os.fsencode(Path(source).name).decode(errors="replace")
            path = _real(str(Path(source)))
        return {
            "do": "stream",
            "source": path,
            "name": name,
            "channel": channel,
            "track": track,
            "max_bytes": self._settings.max_file_size,
            "max_seconds": self._settings.max_duration,
        }

    def _decode_ahead(self) -> None:
        with suppress(IndexError):
            request = self._expected.pop()
            self._ahead.append((request, self._background.begin(request)))

    def _decoded_ahead(self, request: dict[str, Any]) -> Process | None:
        """The process that already decodes this, if any; one that decodes something else is given back."""
        with suppress(IndexError):
            while True:
                expected, process = self._ahead.pop()
                if expected == request:
                    with suppress(EmovoxError):  # it is tried again, and reported then
                        return process.result()
                else:
                    process.add_done_callback(self._background.drop)
        return None


class _Background:
    """An event loop for the decoders in a thread of its own, beside any other that the program has."""

    def __init__(self, decoders: Decoders) -> None:
        self._decoders, self._pid = decoders, os.getpid()
        self._loop = _new_loop()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._thread = threading.Thread(target=self._main, name="emovox-decoders", daemon=True)
        self._thread.start()
        self._first = self._submit(self._warm())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for some work; if the wait is interrupted, so is the work."""
        future = self._submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def take(self) -> Process:
        """As `Decoders.take`."""
        wait([self._first])  # it is nearly ready, and a second one would take longer
        return self.run(self._decoders.take())

    def begin(self, request: dict[str, Any]) -> "Future[Process]":
        """Take a process and send it a request, without waiting."""
        return self._submit(self._send(request))

    # The garbage collector may call the following in any thread: it doesn't wait.

    def give_back(self, process: Process) -> None:
        """As `Decoders.give_back`."""
        if not self._loop.is_closed():
            self._submit(self._decoders.give_back(process))

    def drop(self, begun: "Future[Process]") -> None:
        """Give back what `begin` took, if it did."""
        if not begun.cancelled() and begun.exception() is None:
            self.give_back(begun.result())

    def close(self) -> None:
        """End the processes and the thread; a fork has neither."""
        if os.getpid() == self._pid:
            self._loop.call_soon_threadsafe(self._loop.stop)
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def _submit(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        async def task() -> Result:
            own = asyncio.current_task()
            self._tasks.add(own)
            try:
                return await work
            finally:
                self._tasks.discard(own)

        return asyncio.run_coroutine_threadsafe(task(), self._loop)

    async def _warm(self) -> None:
        await self._decoders.give_back(await self._decoders.take())

    async def _send(self, request: dict[str, Any]) -> Process:
        process = await self._decoders.take()
        try:
            await process.send(request)
        except BaseException:
            await asyncio.shield(self._decoders.give_back(process))
            raise
        return process

    def _main(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        tasks = list(filter(None, self._tasks))  # but not asyncio's own, such as the start of a process
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._decoders.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":  # where Jupyter's loop can't start processes
        return asyncio.ProactorEventLoop()
    return asyncio.new_event_loop()


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # the reason is reported when it is read
        return path
