"""The decoders: processes that decode files. A file that breaks FFmpeg costs one of them and one recording."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyio import fail_after

from emovox import errors
from emovox.audio.decoded import Decoded
from emovox.errors import AudioError, BrokenDecoderError, DecoderError

USES = 500  # recordings after which a process is replaced: what FFmpeg leaks is given back
START = 60.0  # seconds that a process may take to start
log = logging.getLogger("emovox.audio")


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.uses = 0

    async def ask(
        self, request: dict[str, Any], stall: float, progress: Callable[[float], None]
    ) -> dict[str, Any]:
        """Give a request; raises TimeoutError after `stall` seconds without a word, EOFError when it dies."""
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101  a pipe was asked for
        self.uses += 1
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            await stdin.drain()
        except ConnectionError as error:
            raise EOFError from error
        while True:
            answer = await self.listen(stall)
            if "seconds" not in answer:
                return answer
            progress(answer["seconds"])

    async def listen(self, patience: float) -> dict[str, Any]:
        stdout = self.process.stdout
        assert stdout is not None  # noqa: S101  a pipe was asked for
        # asyncio.wait_for before Python 3.12 forgets a cancellation that comes together with the line.
        with fail_after(patience):
            line = await stdout.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Decoders:
    """A fixed number of decoding processes, each replaced when it dies, hangs or grows old."""

    def __init__(self, count: int, *, memory: int, stall: float) -> None:
        """Prepare; `start` starts them.

        Args:
            count: of processes.
            memory: address space of each, bytes.
            stall: seconds without progress after which one is killed.
        """
        self._count, self._memory, self._stall = count, memory, stall
        self._free: asyncio.Queue[_Worker | None] = asyncio.Queue()
        self._all: set[_Worker] = set()

    async def start(self) -> None:
        """Start the processes."""
        for worker in await asyncio.gather(*(self._spawn() for _ in range(self._count))):
            self._free.put_nowait(worker)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(worker.kill() for worker in list(self._all)))
        self._all.clear()

    async def decode(
        self,
        source: Path,
        target: Path,
        *,
        name: str | None,
        channel: int | None,
        max_bytes: int,
        max_seconds: float,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Decoded:
        """Decode the file `source` into `target`.

        Raises:
            AudioError: it can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: no process can be started, or there is no room for `target`.
        """
        request = {
            "source": str(source),
            "target": str(target),
            "name": None,
            "channel": channel,
            "max_bytes": max_bytes,
            "max_seconds": max_seconds,
        }
        answer = await self._ask(request, progress)
        return Decoded(
            path=target,
            name=None if name is None else name.encode(errors="replace").decode(),
            sha256=answer["sha256"],
            sample_rate=answer["sample_rate"],
            channels=answer["channels"],
            channel=channel,
            codec=answer["codec"],
            samples=answer["samples"],
            warnings=tuple(answer["warnings"]),
        )

    async def channels(self, source: Path, *, max_bytes: int) -> int:
        """How many channels the file `source` has, by what it says of itself: nothing is decoded.

        Raises:
            AudioError: it can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: no process can be started.
        """
        answer = await self._ask({"source": str(source), "target": None, "max_bytes": max_bytes})
        return int(answer["channels"])

    async def _ask(
        self, request: dict[str, Any], progress: Callable[[float], None] = lambda _: None
    ) -> dict[str, Any]:
        worker = await self._free.get()
        finished = False
        try:
            worker = worker or await self._spawn()
            answer = await worker.ask(request, self._stall, progress)
            finished = True
        except EOFError:
            raise BrokenDecoderError("decoding it broke the decoder: it is damaged, or made to do that") from None
        except TimeoutError:
            raise BrokenDecoderError(
                f"decoding it made no progress for {self._stall:g} s and was given up"
            ) from None
        finally:
            if finished and worker is not None and worker.uses < USES:
                self._free.put_nowait(worker)
            else:
                # Also when the request was cancelled: what is half done must not answer the next one.
                await asyncio.shield(self._replace(worker))
        if "error" in answer:
            kind: type[AudioError | DecoderError] = getattr(errors, answer["error"])
            raise kind(answer["reason"])
        return answer

    async def _replace(self, worker: _Worker | None) -> None:
        fresh: _Worker | None = None
        try:
            if worker is not None:
                self._all.discard(worker)
                await worker.kill()
            fresh = await self._spawn()
        except DecoderError as error:
            log.error("%s", error)
        finally:
            self._free.put_nowait(fresh)  # None: whoever takes it tries again

    async def _spawn(self) -> _Worker:
        # FFmpeg and NumPy's linear algebra would take threads, and each thread address space.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "emovox.audio.isolation.worker",
                str(self._memory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # an interrupt on the terminal is for whoever started it to handle
            )
            worker = _Worker(process)
            self._all.add(worker)
            await worker.listen(START)
        except (OSError, EOFError) as error:  # among them TimeoutError
            raise DecoderError("no decoding process can be started") from error
        return worker
