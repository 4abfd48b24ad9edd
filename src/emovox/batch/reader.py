"""The reader: fetches and decodes recordings ahead of inference; it needs no model."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from emovox import private
from emovox.audio.decoded import Decoded
from emovox.audio.files import is_remote
from emovox.audio.isolation.decoders import Decoders
from emovox.audio.recording import open_recording
from emovox.batch.sources import RowReader
from emovox.batch.storage import fetched
from emovox.batch.tasks import Failed, Item, Plan, Same
from emovox.errors import AudioError, BrokenDecoderError, DecoderError, EmovoxError, NoAudioError, OutputsError
from emovox.inference.options import Options
from emovox.inference.splitting import PIECE, Outline, Piece, outline, pieces
from emovox.models.metadata import Metadata
from emovox.policy import parse_sides
from emovox.refusals import behind, is_full
from emovox.settings import settings

Claim = Callable[[str, str], bool]
"""Whether the recording at a path is the one to be recognised for its content: (sha256, path)."""
Part = Decoded | tuple[Outline, tuple[Piece, ...]]
"""A recording, or one of its channels: decoded, or in pieces if it is long."""


@dataclass(frozen=True)
class Reading:
    """A recording that has been read.

    Attributes:
        path: which.
        sha256: its checksum.
        parts: one, or one for each channel; all of them in pieces, or none.
        files: of the waveforms.
        seconds: of sound.
        spent: seconds that it took.
    """

    path: str
    sha256: str
    parts: tuple[Part, ...]
    files: tuple[Path, ...]
    seconds: float
    spent: float

    @property
    def split(self) -> bool:
        """Whether it is in pieces."""
        return not isinstance(self.parts[0], Decoded)

    def clear(self) -> None:
        """Remove its waveforms."""
        for file in self.files:
            with suppress(OSError):
                file.unlink(missing_ok=True)


class Reader:
    """Decoding processes, and what they decode."""

    def __init__(self, plan: Plan, scratch: Path, claim: Claim, *, decoders: int) -> None:
        """Prepare.

        Args:
            plan: what is wanted.
            scratch: where waveforms go.
            claim: is called before a content is decoded.
            decoders: decoding processes.
        """
        self._plan, self._scratch, self._claim = plan, scratch, claim
        options = settings()
        self._decoders = Decoders(decoders, memory=options.decoder_memory, stall=options.decode_stall)
        self._rows, self._reading = RowReader(), asyncio.Lock()
        self._metadata: Metadata | None = None

    async def start(self, metadata: Metadata) -> None:
        """Start the decoders; `metadata` is the model's, for cutting.

        Raises:
            DecoderError: no process can be started.
        """
        self._metadata = metadata
        await self._decoders.start()

    async def close(self) -> None:
        """End the decoders."""
        await self._decoders.close()

    async def read(self, item: Item) -> Reading | Same | Failed:
        """Fetch and decode a recording, unless another has the same content.

        Raises:
            DecoderError: no decoding process can be started, or there is no space for the waveform.
            OutputsError: the ledger can't be written.
        """
        started = time.monotonic()
        sha256: str | None = None
        parts: list[Part] = []
        files: list[Path] = []
        try:
            with ExitStack() as stack:
                source = await self._fetch(stack, item)
                sha256 = await asyncio.to_thread(_checksum, source, settings().max_file_size)
                # Where a list declares something, the same content may be another's voice: it isn't shared.
                if (
                    item.sides is None
                    and item.notes is None
                    and not await asyncio.to_thread(self._claim, sha256, item.path)
                ):
                    return Same(item.path, sha256)
                for channel in count(1) if self._plan.split_channels else [None]:
                    files.append(self._scratch / secrets.token_hex(8))
                    decoded = await self._decode(source, files[-1], item, channel)
                    long = self._plan.outputs is None and decoded.duration > self._plan.longest
                    parts.append(await asyncio.to_thread(self._cut, decoded, item) if long else decoded)
                    if channel == decoded.channels:
                        break
            spent = time.monotonic() - started
            return Reading(item.path, sha256, tuple(parts), tuple(files), decoded.duration, spent)
        except BaseException as error:
            for file in files:
                file.unlink(missing_ok=True)
            if _is_full(error):
                raise DecoderError(
                    f"{self._scratch}: the disk is full: set TMPDIR to a directory with free space"
                ) from error
            if isinstance(error, Exception) and not isinstance(error, (DecoderError, OutputsError)):
                return Failed(item.path, reason(error), sha256)
            raise

    async def _fetch(self, stack: ExitStack, item: Item) -> Path:
        if item.row is None:
            copy = fetched(self.locate(item.path), self._scratch, max_bytes=settings().max_file_size)
            return await asyncio.to_thread(stack.enter_context, copy)
        async with self._reading:
            data = await asyncio.to_thread(self._rows.read, replace(item, path=self.locate(item.path)))
        if not data:
            raise NoAudioError("this row has no bytes")
        return stack.enter_context(_scratch_file(data, self._scratch))

    def locate(self, path: str) -> str:
        """A recording's path as seen from this process."""
        return path if is_remote(path) else os.path.join(self._plan.directory, path)  # noqa: PTH118  as it is

    async def _decode(self, source: Path, target: Path, item: Item, channel: int | None) -> Decoded:
        """Decode in one of the processes; a file that breaks one is tried once more in a fresh one."""
        limits, name = settings(), item.path.rpartition("/")[2]

        async def decode() -> Decoded:
            return await self._decoders.decode(
                source,
                target,
                name=name,
                channel=channel,
                track=self._plan.options.track,
                max_bytes=limits.max_file_size,
                max_seconds=limits.max_duration,
            )

        try:
            return await decode()
        except BrokenDecoderError:
            return await decode()

    def _cut(self, decoded: Decoded, item: Item) -> Part:
        assert self._metadata is not None  # noqa: S101  nothing is read before `start`
        options = options_of(self._plan.options, item, decoded)
        whole = outline(decoded, self._metadata, options, self._plan.policy)
        return whole, tuple(pieces(whole, decoded.path, samples=PIECE))


def options_of(options: Options, item: Item, decoded: Decoded) -> Options:
    """The options of a recording, or of one of its channels, with what the list declares."""
    sides = parse_sides(item.sides) if item.sides else options.side
    return replace(options, channel=decoded.asked_channel, side=sides, **(item.notes or {}))


def _is_full(error: BaseException | None) -> bool:
    """Whether the disk is full, which is no fault of the recording."""
    refusal = behind(error)
    return refusal is not None and is_full(refusal)


def reason(error: Exception) -> str:
    """An exception as the table of errors states it."""
    if isinstance(error, AudioError):
        return error.reason
    if isinstance(error, EmovoxError):
        return str(error)
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def _scratch_file(data: bytes, scratch: Path) -> Iterator[Path]:
    path = scratch / secrets.token_hex(8)
    try:
        with private.create(path) as file:
            file.write(data)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _checksum(source: Path, max_bytes: int) -> str:
    with open_recording(source, max_bytes=max_bytes) as recording:
        return recording.sha256
