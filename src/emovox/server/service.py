"""The service's parts, put together: what the routes work with."""

import asyncio
import gc
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from fastapi import Request as HttpRequest

from emovox.audio.isolation.decoders import Decoders
from emovox.audio.waveform import Waveform
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Request
from emovox.inference.recognition import Recognition
from emovox.models.runtime.engine import usable_cores
from emovox.outputs import Outputs
from emovox.saving import Save, Saving
from emovox.server.archiving import Archiving
from emovox.server.asking import LOCKED, Asking
from emovox.server.database import open_database, owner, restore, state_directory
from emovox.server.http.problems import Problem, busy, log
from emovox.server.http.receiving import Limits
from emovox.server.http.uploads import Uploads
from emovox.server.inference_queue import InferenceQueue
from emovox.server.jobs.jobs import FINISHED, Job, Jobs
from emovox.server.jobs.progress import JobProgress
from emovox.server.keys import FRESH, Keys
from emovox.server.looks import Looks
from emovox.server.options import RecognitionOptions
from emovox.server.pulls import Pulls
from emovox.server.sessions import Sessions
from emovox.server.stored_outputs import StoredOutputs
from emovox.server.supervision import Supervision
from emovox.server.tenancy import Tenancy
from emovox.server.waveforms import Waveforms
from emovox.settings import Settings, settings

Result = TypeVar("Result")

LOOK = 0.05  # seconds from one measurement of the event loop to the next
DATABASE, STUCK = 2.0, 10.0  # seconds from one look at the database to the next, and after which it is away
ARCHIVING = 5.0  # seconds from one look at what waits to be archived to the next
FORM = 2**20  # bytes that the rest of a form may have beside its files


class Service:
    """All that lives from start to stop."""

    def __init__(self) -> None:
        """Open what is on disk. `running` starts what runs.

        Raises:
            SettingsError: the database can't be opened, or another service works on these outputs.
            OutputsError: the outputs can't be written.
        """
        self.settings: Settings = settings()
        options, own = self.settings, self.settings.service
        self.outputs = Outputs(options.outputs)
        self._state = state_directory()
        self.tenancy = Tenancy(self._state)
        self.database = open_database(patience=LOCKED)
        self.ask = Asking()
        self.supervision = Supervision()
        self.looks = Looks()
        self.archiving = Archiving(self._state / "pending", options.outputs)
        self.library = StoredOutputs(options.outputs, forget=self._forget)
        self.jobs = Jobs(self.database, owner(self._state))
        self.keys = Keys(self.database)
        self.sessions = Sessions(self.database)
        biggest = options.max_file_size + FORM
        self.uploads = Uploads(self._state / "uploads", most=max(own.max_uploads_size, biggest))
        self.waveforms = Waveforms(
            self._state / "waveforms", most=own.max_waveforms_size, longest=options.max_duration
        )
        self.models = ModelPool(most=own.max_models, idle=own.model_idle)
        self.decoders = Decoders(
            own.decoders or usable_cores(), memory=options.decoder_memory, stall=options.decode_stall
        )
        self.queue = InferenceQueue(self.models, size=own.queue_size, threads=own.inference_threads)
        self.pulls = Pulls()
        self.drawing = asyncio.Lock()  # pictures, one after the other: matplotlib is no friend of threads
        self.receiving = 0
        self.streams = 0
        self.lag = 0.0  # the worst since it was last asked for, seconds
        self.waiting = 0  # jobs, when the runner last looked
        self.ready = False
        self.stopping = False

    def _forget(self, places: Sequence[Path]) -> None:
        self.archiving.forget(places)
        self.jobs.forget_outputs([place.name for place in places])

    @property
    def limits(self) -> Limits:
        """What one recording's upload may be."""
        options = self.settings
        size = options.max_file_size
        return Limits(size, size + FORM, 1, options.service.upload_stall, options.service.upload_rate)

    def close(self) -> None:
        """Let go of what is on disk, once nothing runs any more."""
        self.queue.close()
        self.ask.close()
        self.database.dispose()
        self.archiving.archive.close()
        self.tenancy.release()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the decoders and what runs beside the requests, and end all when the block ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.close)
            stack.push_async_callback(self.decoders.close)
            await asyncio.to_thread(self._begin)
            await self.decoders.start()
            stack.push_async_callback(self.supervision.close)
            start = self.supervision.start
            start("loading the model", self._load)
            start("keys", lambda: self.ask(self.keys.refresh), rest=lambda: asyncio.sleep(FRESH), patience=STUCK)
            start("archiving", self._catch_up, rest=lambda: asyncio.sleep(ARCHIVING))
            start("unloading models", self._sweep_models, rest=self._rest_models)
            start("the event loop's watch", self._watch_loop, rest=lambda: asyncio.sleep(0))
            start("the database", self._watch_database, rest=lambda: asyncio.sleep(DATABASE), patience=STUCK)
            yield

    async def hear(
        self,
        token: str,
        name: str | None,
        options: RecognitionOptions,
        *,
        max_seconds: float,
        progress: JobProgress | None = None,
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
        progress, stack = progress or JobProgress(), ExitStack()
        try:
            waveform = stack.enter_context(self.waveforms.place(token))

            def decoding(seconds: float) -> None:
                waveform.grow(seconds)
                progress.decoding(seconds)

            decoded = await self.decoders.decode(
                self.uploads.find(token),
                waveform.path,
                name=name,
                channel=options.channel,
                track=options.track,
                max_bytes=self.settings.max_file_size,
                max_seconds=max_seconds,
                progress=decoding,
            )
            waveform.grow(decoded.duration)
            progress.decoded(decoded.duration)
            async with begun(self.saving(options)) as save:
                request = Request(
                    decoded,
                    save.options(options.to_options()),
                    sink=_watching(progress, save.sink),
                    embedding_sink=save.embedding_sink,
                )
                recognition = await self.queue.hear(options.choice(self.settings.model), request)
                progress.done("heard")
                if options.store:
                    await to_its_end(self.commit(save, recognition, claim))
                    progress.done("stored")
                return recognition, save.directory
        except BaseException:
            progress.stopped.set()
            raise
        finally:
            stack.close()

    def saving(self, options: RecognitionOptions) -> Saving:
        """Where a recognition with these options goes."""
        if not options.store:
            return Saving()
        return Saving(
            self.outputs, options.export, self.settings.labels, embeddings=options.embedding, archive="later"
        )

    async def commit(
        self, save: Save, recognition: Recognition, claim: Callable[[str, Path], None] = lambda _, __: None
    ) -> None:
        """`Save.commit` in a thread, and what was published into the archive: later, where the database is away.

        Raises:
            EmovoxError: as `Save.commit`.
        """
        await asyncio.to_thread(save.commit, recognition, claim=claim)
        record = await asyncio.to_thread(self.archiving.pend, save)
        if record is not None:
            try:
                await self.ask.within(LOCKED, self.archiving.add, record)
            except Problem:  # there was no answer, and nobody shall wait for it
                self.archiving.fall_behind()

    def _begin(self) -> None:
        """Own the jobs from before there were owners that are ours, delete what a kill left, and read the keys."""
        self.keys.refresh()
        alone = not self.settings.database.get_secret_value()
        self.jobs.adopt(None if alone else self._is_ours)
        self.uploads.sweep(self.jobs.uploads())

    def _is_ours(self, job: Job) -> bool:
        if job.state not in FINISHED:
            return self.uploads.path(job.upload).exists()
        return job.output is None or (self.settings.outputs / job.output).is_dir()

    async def _load(self) -> None:
        """Load the default model, so that the first request needn't wait for it."""

        def load() -> None:
            with self.models.borrow(ModelChoice(self.settings.model)):
                pass

        await asyncio.to_thread(load)
        gc.freeze()  # looking through all that stays, time and again, would stop the event loop for 80 ms
        self.ready = True

    async def _catch_up(self) -> None:
        """Archive what is stored and isn't archived."""
        await self.ask.within(math.inf, self.archiving.catch_up, self.library.directories)

    async def _watch_loop(self) -> None:
        """Measure how late the event loop comes to what is due."""
        started = time.monotonic()
        await asyncio.sleep(LOOK)
        self.lag = max(self.lag, time.monotonic() - started - LOOK)

    async def _watch_database(self) -> None:
        """See whether the databases are there, and the name by which the next start finds our jobs."""
        if await self.ask(restore, self.database, write=True):
            log.error("the service's database was deleted, and with it the jobs: it is made anew")
        if await self.ask(restore, self.archiving.archive.database):
            log.error("the archive was deleted: it is made anew, of what is stored")
            self.archiving.look_through()
        await asyncio.to_thread(owner, self._state, self.jobs.owner)  # where somebody has deleted the outputs

    async def _sweep_models(self) -> None:
        await asyncio.to_thread(self.models.sweep)

    async def _rest_models(self) -> None:
        await asyncio.sleep(min(30.0, self.settings.service.model_idle / 4))


def service_of(request: HttpRequest) -> Service:
    """The service that a request came to; a dependency of routes."""
    return cast("Service", request.app.state.service)


def _watching(progress: JobProgress, sink: Callable[[Waveform], None] | None) -> Callable[[Waveform], None]:
    """A sink that counts what the model has had, and ends what nobody wants any more."""

    def watch(block: Waveform) -> None:
        progress.take(block)
        if sink is not None:
            sink(block)

    return watch


@asynccontextmanager
async def begun(saving: Saving) -> AsyncIterator[Save]:
    """`Saving.begin`; what was not committed is discarded by a thread."""
    stack = ExitStack()
    save = stack.enter_context(saving.begin())
    try:
        yield save
    finally:
        await to_its_end(asyncio.to_thread(stack.close))


@contextmanager
def counted(service: Service) -> Iterator[None]:
    """Count an upload while it is received.

    Raises:
        Problem: 503, there are too many.
    """
    service.queue.check()
    if service.receiving >= service.settings.service.max_uploads:
        raise busy(1)
    service.receiving += 1
    try:
        yield
    finally:
        service.receiving -= 1


async def to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for what must not be broken off, even when whoever waits is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
