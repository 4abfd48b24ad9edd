"""The service's parts, put together: what the routes work with."""

import asyncio
import gc
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from fastapi import Request as HttpRequest

from emovox import exports
from emovox.audio.decoded import Decoded
from emovox.audio.decoders import Decoders
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import EmovoxError
from emovox.library.keeping import Kept
from emovox.models.engine import usable_cores
from emovox.outputs import RESULT, Draft, Outputs
from emovox.recognition.models import Choice, Models
from emovox.recognition.options import Request
from emovox.recognition.recognition import Recognition
from emovox.server.archiving import Archiving
from emovox.server.database import open_database, state_directory
from emovox.server.hearing_queue import HearingQueue
from emovox.server.jobs import Jobs
from emovox.server.keys import Keys
from emovox.server.library import Library
from emovox.server.options import RecognitionOptions
from emovox.server.problems import busy, log
from emovox.server.pulls import Pulls
from emovox.server.receiving import Limits
from emovox.server.tenancy import Tenancy
from emovox.server.uploads import Uploads
from emovox.server.waveforms import Waveforms
from emovox.settings import Settings, settings

Result = TypeVar("Result")

LOOK = 0.05  # seconds from one measurement of the event loop to the next
FORM = 2**20  # bytes that the rest of a form may have beside its files
DECODING = 0.2  # the share of decoding in a job's progress


class StoppedError(EmovoxError):
    """Nobody waits for this recognition any more."""


@dataclass
class Progress:
    """How far one recognition has come, and whether it is still wanted."""

    share: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds of each step that is done: decoded, waited (for a model), heard, stored."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _since: float = field(default_factory=time.monotonic)

    def done(self, step: str) -> None:
        """Note how long a step took that ends now, unless it has ended already."""
        if step not in self.timings:
            now = time.monotonic()
            self.timings[step], self._since = round(now - self._since, 4), now


class Service:
    """All that lives from start to stop."""

    def __init__(self) -> None:
        """Open what is on disk. `running` starts what runs.

        Raises:
            SettingsError: the database can't be opened, or another service works on these outputs.
            OutputsError: the outputs can't be written.
        """
        self.settings: Settings = settings()
        options = self.settings
        self.outputs = Outputs(options.outputs)
        self.tenancy = Tenancy(state_directory())
        self.database = open_database()
        self.archiving = Archiving()
        self.library = Library(options.outputs, forget=self._forget)
        self.jobs = Jobs(self.database)
        self.keys = Keys(self.database)
        biggest = options.max_file_size + FORM
        self.uploads = Uploads(state_directory() / "uploads", most=max(options.uploads_size, biggest))
        self.waveforms = Waveforms(
            state_directory() / "waveforms", most=options.waveforms_size, longest=options.max_duration
        )
        self.models = Models(most=options.models, idle=options.model_idle)
        self.decoders = Decoders(
            options.decoders or usable_cores(), memory=options.decoder_memory, stall=options.decode_stall
        )
        self.queue = HearingQueue(self.models, size=options.queue_size, threads=options.hearers)
        self.pulls = Pulls()
        self.drawing = asyncio.Lock()  # pictures, one after the other: matplotlib is no friend of threads
        self.receiving = 0
        self.streams = 0
        self.lag = 0.0  # the worst since it was last asked for, seconds
        self.ready = False
        self.stopping = False
        self.trouble: Exception | None = None

    def _forget(self, places: Sequence[Path]) -> None:
        self.archiving.forget(places)
        self.jobs.forget_outputs([place.name for place in places])

    @property
    def limits(self) -> Limits:
        """What one recording's upload may be."""
        options = self.settings
        size = options.max_file_size
        return Limits(size, size + FORM, 1, options.upload_stall, options.upload_rate)

    def close(self) -> None:
        """Let go of what is on disk, once nothing runs any more."""
        self.queue.close()
        self.database.dispose()
        self.archiving.archive.close()
        self.tenancy.release()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the decoders and the default model, and end all when the block ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.close)
            stack.push_async_callback(self.decoders.close)
            await asyncio.to_thread(self.uploads.sweep, await asyncio.to_thread(self.jobs.uploads))
            await self.decoders.start()
            for work in (self._load(), self._catch_up(), self._sweep_models(), self._watch_loop()):
                task = asyncio.create_task(work)
                stack.push_async_callback(_end, task)
            yield

    async def hear(
        self,
        token: str,
        name: str | None,
        options: RecognitionOptions,
        *,
        max_seconds: float,
        progress: Progress | None = None,
        claim: Callable[[str, Path], None] = lambda _, __: None,
    ) -> tuple[Recognition, Path | None]:
        """Decode an upload, hear it, and store its outputs if that is wanted.

        Args:
            token: of the upload.
            name: of the recording.
            options: what is wanted.
            max_seconds: the longest recording taken.
            progress: is kept up to date.
            claim: is told every outputs directory's name before it is tried, and where its result.json lies now.

        Returns:
            The recognition, and its outputs directory.

        Raises:
            AudioError: it can't be used.
            Problem: the service can't do it now.
        """
        progress, stack = progress or Progress(), ExitStack()
        try:
            waveform = stack.enter_context(self.waveforms.place(token))

            def decoding(seconds: float) -> None:
                waveform.grow(seconds)
                progress.share = DECODING * (1 - 1 / (1 + seconds / 60))

            decoded = await self.decoders.decode(
                self.uploads.find(token),
                waveform.path,
                name=name,
                channel=options.channel,
                max_bytes=self.settings.max_file_size,
                max_seconds=max_seconds,
                progress=decoding,
            )
            waveform.grow(decoded.duration)
            progress.done("decoded")
            async with _draft(self.outputs if options.store else None) as draft:
                wanted, kept = options.to_options(), self.archiving.begin(draft, asked=options.embedding)
                request = Request(
                    decoded,
                    wanted if draft is None else replace(wanted, embedding=True),
                    sink=_watching(decoded, progress, None if draft is None else draft.write),
                    embedding_sink=kept.sink if wanted.by_frame else None,
                )
                recognition = kept.take(await self.queue.hear(options.choice(self.settings.model), request))
                progress.done("heard")
                place = None
                if draft is not None:
                    place = await _to_its_end(
                        asyncio.to_thread(self._publish, draft, kept, recognition, options, claim)
                    )
                    progress.done("stored")
                return recognition, place
        except BaseException:
            progress.stopped.set()
            raise
        finally:
            stack.close()

    def _publish(
        self,
        draft: Draft,
        kept: Kept,
        recognition: Recognition,
        options: RecognitionOptions,
        claim: Callable[[str, Path], None],
    ) -> Path:
        directory = draft.complete(recognition)
        if options.export:
            exports.write(recognition, directory, options.export, language=self.settings.labels)
        place = draft.publish(recognition, claim=lambda name: claim(name, directory / RESULT))
        self.archiving.keep(kept, place)
        return place

    async def _load(self) -> None:
        """Load the default model, so that the first request needn't wait for it."""

        def load() -> None:
            with self.models.borrow(Choice(self.settings.model)):
                pass

        try:
            await asyncio.to_thread(load)
        except Exception as error:
            log.error("the model can't be loaded: %s", error)
            self.trouble = error
        else:
            gc.freeze()  # looking through all that stays, time and again, would stop the event loop for 80 ms
            self.ready = True

    async def _catch_up(self) -> None:
        """Archive what is stored and isn't archived."""
        await asyncio.to_thread(self.archiving.catch_up, self.library.directories())

    async def _watch_loop(self) -> None:
        """Measure how late the event loop comes to what is due."""
        while True:
            started = time.monotonic()
            await asyncio.sleep(LOOK)
            self.lag = max(self.lag, time.monotonic() - started - LOOK)

    async def _sweep_models(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self.settings.model_idle / 4))
            await asyncio.to_thread(self.models.sweep)


def service_of(request: HttpRequest) -> Service:
    """The service that a request came to; a dependency of routes."""
    return cast("Service", request.app.state.service)


def digest(path: Path) -> str:
    """sha256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def _watching(
    decoded: Decoded, progress: Progress, sink: Callable[[Waveform], None] | None
) -> Callable[[Waveform], None]:
    """A sink that counts what is heard, and ends what nobody wants any more."""
    heard = 0

    def watch(block: Waveform) -> None:
        nonlocal heard
        if progress.stopped.is_set():
            raise StoppedError("stopped")
        progress.done("waited")
        if sink is not None:
            sink(block)
        heard += len(block)
        progress.share = DECODING + (1 - DECODING) * min(1.0, heard / max(1.0, decoded.duration * SAMPLE_RATE))

    return watch


@asynccontextmanager
async def _draft(outputs: Outputs | None) -> AsyncIterator[Draft | None]:
    """A draft, cleared by a thread in the end; None where nothing is stored."""
    if outputs is None:
        yield None
        return
    stack = ExitStack()
    draft = stack.enter_context(outputs.draft())
    try:
        yield draft
    finally:
        await _to_its_end(asyncio.to_thread(stack.close))


@contextmanager
def counted(service: Service) -> Iterator[None]:
    """Count an upload while it is received.

    Raises:
        Problem: 503, there are too many.
    """
    service.queue.check()
    if service.receiving >= service.settings.uploads:
        raise busy(1)
    service.receiving += 1
    try:
        yield
    finally:
        service.receiving -= 1


async def _to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for what must not be broken off, even when whoever waits is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
