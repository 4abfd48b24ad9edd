"""One decoding process, as its parent sees it: a request goes in, answers and blocks of sound come out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any, BinaryIO, cast

from anyio import move_on_after

import emovox
from emovox import errors
from emovox.audio.isolation.environment import environment
from emovox.errors import AudioError, BrokenDecoderError, DecoderError, UnreadableAudioError

USES = 500  # recordings after which a process is replaced, because FFmpeg leaks memory
AHEAD = 2**20  # half of the bytes of answers read ahead: half a minute of sound
START = 60.0  # seconds that a process may take to start
_PARTS = 4  # of waiting: if this very process was stopped, as by Ctrl-Z, one of them is lost, not all
_PIECE = 2**18  # bytes of a recording written at a time
_LARGEST = 2**26  # bytes of a block of sound; genuine ones have 4 MiB at most
_KILLED = -9  # by the system, as this module asks nothing more of a process that it kills
# Not -m, which would import from the current directory: modules may lie there beside the recordings.
_CODE = "import sys; sys.path[:] = sys.argv[2:]; from emovox.audio.isolation.worker import main; main()"
_CANNOT = "no decoding process can be started"

Message = dict[str, Any] | bytes
"""An answer, or samples, float32, little-endian."""


class Process:
    """A process that decodes, one recording at a time."""

    def __init__(
        self, transport: asyncio.SubprocessTransport, process: asyncio.subprocess.Process, *, stall: float
    ) -> None:
        """Wrap a started process; `start` starts one."""
        self._transport, self._process, self._stall = transport, process, stall
        self._requests = 0
        self._owes = False  # the end of an answer

    @classmethod
    async def start(cls, *, memory: int, stall: float) -> "Process":
        """Start one.

        Args:
            memory: its address space, bytes.
            stall: seconds without a report after which it is given up.

        Raises:
            DecoderError: it can't be started.
        """
        loop, command = asyncio.get_running_loop(), _command(memory)
        try:
            # Like create_subprocess_exec, which hides the transport that `kill` needs.
            transport, protocol = await loop.subprocess_exec(
                lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=AHEAD, loop=loop),
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment(),
                # Interrupts from the terminal are for the parent to handle.
                start_new_session=True,
                creationflags=0x200 if sys.platform == "win32" else 0,  # CREATE_NEW_PROCESS_GROUP
            )
        except OSError as error:
            raise DecoderError(f"{_CANNOT}: {command[0]}: {error.strerror or error}") from error
        process = cls(transport, asyncio.subprocess.Process(transport, protocol, loop), stall=stall)
        try:
            await process._answer(START)
        except BaseException as error:
            code = await process._end() if isinstance(error, EOFError) else None
            await asyncio.shield(process.kill())
            if code is not None:
                reason = f'it ends at once, with code {code}; {command[0]} -c "{_CODE.split("; ")[2]}" may say why'
                raise DecoderError(f"{_CANNOT}: {reason}") from None
            if isinstance(error, (OSError, EOFError, ValueError)):  # OSError: TimeoutError is one
                raise DecoderError(f"{_CANNOT}: it says nothing that makes sense, for {START:g} s") from error
            raise
        return process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it may be given a request: it is alive, owes no answer, and isn't old."""
        lives = self._process.returncode is None and not self._stdout.at_eof()
        return lives and not self._owes and self._requests < USES

    async def ask(
        self, request: dict[str, Any], progress: Callable[[float], None] = lambda _: None
    ) -> dict[str, Any]:
        """Send a request and wait for the whole answer.

        Args:
            request: as `worker` has it.
            progress: is called with the seconds decoded so far.

        Raises:
            AudioError: the recording can't be used, or the process that tried died, hung, or ran out of memory.
            DecoderError: the disk is full.
        """
        await self.send(request)
        while True:
            message = await self.receive()
            with understood():
                if not isinstance(message, dict):
                    raise TypeError("sound that nobody asked for")
                if "done" in message:
                    return cast("dict[str, Any]", message["done"])
                progress(float(message["seconds"]))

    async def send(self, request: dict[str, Any], content: BinaryIO | None = None) -> None:
        """Send a request, with the bytes of the recording if it names no file.

        Raises:
            BrokenDecoderError: the process died or hung.
        """
        self._requests += 1
        self._owes = True
        size = None
        if content is not None:
            size = content.seek(0, os.SEEK_END)
            content.seek(0)
        async with self._explained():
            await self._write(json.dumps({**request, "size": size}).encode() + b"\n")
            while content is not None and (piece := content.read(_PIECE)):
                await self._write(piece)

    async def receive(self) -> Message:
        """The next part of the answer; the last one has `done`.

        Raises:
            AudioError: as `ask`.
            DecoderError: as `ask`.
        """
        async with self._explained():
            answer = await self._answer(self._stall)
            if "block" in answer:
                size = int(answer["block"])
                if size % 4 or not 0 < size <= _LARGEST:
                    raise ValueError(f"a block of {size} bytes")
                return cast("bytes", await self._patiently(lambda: self._stdout.readexactly(size), self._stall))
            self._owes = "done" not in answer and "error" not in answer
            if "error" in answer:
                raise _error(answer)
            return answer

    async def kill(self) -> None:
        """End it, whatever it is doing, and leave nothing behind."""
        with suppress(ProcessLookupError):
            self._transport.kill()
        # Unless its last output is read, the end of the pipe isn't noticed, and would be waited for.
        for pipe in filter(None, map(self._transport.get_pipe_transport, (0, 1))):
            pipe.close()
        await self._process.wait()
        self._transport.close()

    @property
    def _stdout(self) -> asyncio.StreamReader:
        return cast("asyncio.StreamReader", self._process.stdout)  # it was opened with a pipe

    async def _write(self, data: bytes) -> None:
        stdin = cast("asyncio.StreamWriter", self._process.stdin)
        stdin.write(data)
        await self._patiently(stdin.drain, self._stall)

    async def _answer(self, patience: float) -> dict[str, Any]:
        """The next line; raises TimeoutError, EOFError when it dies, ValueError for nonsense."""
        line = await self._patiently(self._stdout.readline, patience)
        if not line.endswith(b"\n"):
            raise EOFError
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("no object")
        return answer

    @staticmethod
    async def _patiently(wait: Callable[[], Awaitable[Any]], patience: float) -> Any:
        """Wait for so many seconds; what times out can be started again, and nothing is lost."""
        for _ in range(_PARTS):
            # asyncio.wait_for before Python 3.12 forgets a cancellation that comes together with the line.
            with move_on_after(patience / _PARTS):
                return await wait()
        raise TimeoutError

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        try:
            with understood():
                yield
        except TimeoutError:
            raise BrokenDecoderError(
                f"decoding it made no progress for {self._stall:g} s and was given up: it is damaged, or made to "
                "do that; if the disk is slow, set EMOVOX_DECODE_STALL to more seconds"
            ) from None
        except (EOFError, ConnectionError):
            if await self._end() == _KILLED:
                reason = "the system killed its decoder, as it does when memory runs out: free some, and try again"
            else:
                reason = (
                    "decoding it broke the decoder: it is damaged, or made to do that; leave it out, or convert it"
                )
            raise BrokenDecoderError(reason) from None

    async def _end(self) -> int | None:
        """How it ended, if it did."""
        with move_on_after(1):
            await self._process.wait()
        return self._process.returncode


@contextmanager
def understood() -> Iterator[None]:
    """A block that reads a decoder's answer, which may be any nonsense.

    Raises:
        BrokenDecoderError: it was.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BrokenDecoderError(
            "decoding it made the decoder talk nonsense: it is damaged, or made to do that; leave it out"
        ) from error


def number(value: object) -> int | None:
    """A number in a decoder's answer, or none."""
    return None if value is None else int(cast("int", value))


def _error(answer: dict[str, Any]) -> AudioError | DecoderError:
    kind, reason, name = vars(errors).get(answer["error"]), str(answer["reason"]), answer["name"]
    if kind is DecoderError:
        return DecoderError(reason)
    if not isinstance(kind, type) or not issubclass(kind, AudioError):
        kind = UnreadableAudioError
    return kind(reason, None if name is None else str(name))


def _command(memory: int) -> list[str]:
    """The command that starts one: the same Python, importing from the same places as this process."""
    python = os.fsdecode(spawn.get_executable() or "")
    if not python or (python == sys.executable and getattr(sys, "frozen", False)):
        raise DecoderError(f"{_CANNOT}: this program has no Python: name one by multiprocessing.set_executable")
    paths = [os.path.abspath(path) for path in map(str, sys.path) if path]  # noqa: PTH100  links stay as they are
    own = str(Path(emovox.__file__).absolute().parents[1])
    isolated = ["-I"] if sys.flags.isolated else []
    return [
        python,
        *isolated,
        *("-X", f"utf8={sys.flags.utf8_mode}"),
        *("-c", _CODE, str(memory)),
        *([] if own in paths else [own]),
        *paths,
    ]
