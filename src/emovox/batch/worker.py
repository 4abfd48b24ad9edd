"""The worker: decodes and hears recordings, in a process on this machine or as an actor on a cluster."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, cast

from emovox.audio.decoded import Decoded
from emovox.audio.decoders import Decoders
from emovox.audio.recording import open_recording
from emovox.batch.sources import RowReader
from emovox.batch.storage import fetched
from emovox.batch.tables import to_row
from emovox.batch.tasks import Answer, Done, Failed, Heard, Item, Plan, Ready, Same, Share, Surveyed, Task
from emovox.errors import AudioError, BrokenDecoderError, EmovoxError, NoAudioError
from emovox.exports import Language
from emovox.exports import write as write_exports
from emovox.outputs import Outputs
from emovox.recognition.hearer import Hearer
from emovox.recognition.models import Models
from emovox.recognition.options import Options, Request
from emovox.recognition.recognizer import Recognizer
from emovox.recognition.splitting import Piece, Survey, pieces, survey
from emovox.settings import settings

Claim = Callable[[str, str], bool]
"""Whether the recording at a path is the one that is heard for its content: (sha256, path)."""


class Worker:
    """A hearer and its decoders, which work ahead of it."""

    def __init__(self, plan: Plan, claim: Claim, *, decoders: int) -> None:
        """Prepare; `start` loads the model.

        Args:
            plan: what is wanted.
            claim: is asked before a content is decoded.
            decoders: decoding processes.
        """
        self._plan, self._claim = plan, claim
        options = settings()
        self._models = Models(most=1, idle=float("inf"), load=self._load)
        self._hearer = Hearer(self._models, threads=1)
        self._decoders = Decoders(decoders, memory=options.decoder_memory, stall=options.decode_stall)
        self._outputs = None if plan.outputs is None else Outputs(plan.outputs)
        self._scratch = Path(plan.scratch)
        self._rows, self._reading = RowReader(), asyncio.Lock()
        self._ready: Ready | None = None

    async def start(self) -> Ready:
        """Load the model and start the decoders.

        Raises:
            EmovoxError: as `Recognizer` and `Recognizer.classes`, or no decoder can be started.
        """
        await self._decoders.start()
        self._ready = await asyncio.to_thread(self._begin)
        return self._ready

    async def close(self) -> None:
        """End the decoders and the hearer."""
        await self._decoders.close()
        await asyncio.to_thread(self._hearer.close)

    async def answer(self, task: Task) -> Answer:
        """Do what is asked. What goes wrong with a recording is an answer."""
        started = time.monotonic()
        try:
            if isinstance(task, Share):
                outputs = await self._hearer.hear_piece(self._plan.model, task.piece)
                return Heard(task, tuple(outputs), time.monotonic() - started)
            return await self._item(task, started)
        except Exception as error:
            return Failed(task.path, _reason(error))

    def _load(self, name: str) -> Recognizer:
        return Recognizer(name, precision=self._plan.precision, device=self._plan.device)

    def _begin(self) -> Ready:
        with self._models.borrow(self._plan.model) as recognizer:
            classes = recognizer.classes(self._plan.options.emotions)
            return Ready(recognizer.model, recognizer.metadata, classes, recognizer.batches)

    async def _item(self, item: Item, started: float) -> Answer:
        limit = settings().max_file_size
        parts: list[tuple[Survey, tuple[Piece, ...]]] = []
        rows: list[dict[str, Any]] = []
        files: list[Path] = []
        with ExitStack() as stack:
            source = await self._fetch(stack, item)
            sha256 = await asyncio.to_thread(_checksum, source, limit)
            if not await asyncio.to_thread(self._claim, sha256, item.path):
                return Same(item.path, sha256)
            for channel in count(1) if self._plan.split_channels else [None]:
                waveform = self._scratch / secrets.token_hex(8)
                try:
                    decoded = await self._decode(source, waveform, item, channel)
                    if self._plan.outputs is None and decoded.duration > self._plan.longest:
                        parts.append(await asyncio.to_thread(self._survey, decoded))
                        files.append(waveform)
                    else:
                        rows.append(await self._hear(decoded, item.path))
                except BaseException:
                    for file in files:
                        file.unlink(missing_ok=True)
                    raise
                finally:
                    if waveform not in files:
                        waveform.unlink(missing_ok=True)
                if channel == decoded.channels:
                    break
        spent = time.monotonic() - started
        if parts:
            return Surveyed(item.path, tuple(parts), tuple(map(str, files)), spent)
        return Done(item.path, tuple(rows), decoded.duration, spent)

    async def _fetch(self, stack: ExitStack, item: Item) -> Path:
        if item.row is None:
            place = fetched(item.path, self._scratch, max_bytes=settings().max_file_size)
            return await asyncio.to_thread(stack.enter_context, place)
        async with self._reading:
            data = await asyncio.to_thread(self._rows.read, item)
        if not data:
            raise NoAudioError("there are no bytes in this row")
        return stack.enter_context(_kept(data, self._scratch))

    async def _decode(self, source: Path, target: Path, item: Item, channel: int | None) -> Decoded:
        """Decode in one of the processes; a file that breaks it is tried once more, in a fresh one."""
        limits, name = settings(), item.path.rpartition("/")[2]

        async def decode() -> Decoded:
            return await self._decoders.decode(
                source,
                target,
                name=name,
                channel=channel,
                max_bytes=limits.max_file_size,
                max_seconds=limits.max_duration,
            )

        try:
            return await decode()
        except BrokenDecoderError:
            return await decode()

    def _survey(self, decoded: Decoded) -> tuple[Survey, tuple[Piece, ...]]:
        assert self._ready is not None  # noqa: S101  nothing is asked before
        found = survey(decoded, self._ready.metadata, self._options(decoded))
        return found, tuple(pieces(found, decoded.path))

    async def _hear(self, decoded: Decoded, path: str) -> dict[str, Any]:
        options = self._options(decoded)
        with ExitStack() as stack:
            draft = None if self._outputs is None else stack.enter_context(self._outputs.draft())
            request = Request(decoded, options, sink=None if draft is None else draft.write)
            recognition = await self._hearer.hear(self._plan.model, request)
            if draft is None:
                return to_row(path, recognition)
            directory = await asyncio.to_thread(draft.complete, recognition)
            if self._plan.formats:
                language = cast("Language", self._plan.labels)
                await asyncio.to_thread(
                    write_exports, recognition, directory, self._plan.formats, language=language
                )
            published = await asyncio.to_thread(draft.publish, recognition)
            return to_row(path, recognition, published.name)

    def _options(self, decoded: Decoded) -> Options:
        return replace(self._plan.options, channel=decoded.channel)


@contextmanager
def _kept(data: bytes, scratch: Path) -> Iterator[Path]:
    path = scratch / secrets.token_hex(8)
    try:
        path.write_bytes(data)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _checksum(source: Path, max_bytes: int) -> str:
    with open_recording(source, max_bytes=max_bytes) as recording:
        return recording.sha256


def _reason(error: Exception) -> str:
    if isinstance(error, AudioError):
        return error.reason
    if isinstance(error, EmovoxError):
        return str(error)
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
