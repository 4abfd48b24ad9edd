"""The service: its parts together, for the routes to use."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from fastapi import Request as HttpRequest

from emovox.audio.decoded import Decoded
from emovox.audio.isolation.decoders import Decoders
from emovox.audio.waveform import Waveform
from emovox.errors import ExportError, SettingsError
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import LiveArguments, Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.scheduler import Scheduler
from emovox.models.runtime.engine import usable_cores
from emovox.outputs import Outputs, remove
from emovox.policy import policy
from emovox.saving import Save, Saving
from emovox.server.admission import Admission
from emovox.server.again import as_stored
from emovox.server.archiving import Archiving
from emovox.server.background import Background
from emovox.server.database import open_database, owner, state_directory
from emovox.server.evaluations import Evaluations
from emovox.server.http.problems import Problem, busy, log
from emovox.server.http.request_body import Limits
from emovox.server.http.uploads import Uploads
from emovox.server.jobs.deliveries import Deliveries
from emovox.server.jobs.jobs import Jobs
from emovox.server.jobs.progress import JobProgress
from emovox.server.keys import Keys
from emovox.server.labelling.host import LabelStudio
from emovox.server.maps import Maps
from emovox.server.options import RecognitionOptions
from emovox.server.outputs_lock import OutputsLock
from emovox.server.polls import Polls
from emovox.server.pulls import Pulls
from emovox.server.query_threads import LOCKED, PATIENCE, QueryThreads
from emovox.server.stored_outputs import ID, StoredOutputs
from emovox.server.supervision import Supervision
from emovox.server.transcriber import Transcriber
from emovox.server.waveforms import Waveforms
from emovox.settings import Settings, settings
from emovox.words import Cue

Result = TypeVar("Result")
Words = tuple[Sequence[Cue], int]
"""What is said in a recording, lines and then single words; and how many are lines, which alone are kept."""
Claim = Callable[[str, Path, ExportError | None], None]

FORM = 2**20  # bytes of a form beside its files, at most
LIVE_THREADS = 8  # for streams: while some wait for the model together, as many get ready


class Service:
    """Everything that lives from start to stop."""

    def __init__(self) -> None:
        """Open everything on disk. The lifespan starts the background tasks.

        Raises:
            SettingsError: the database can't be opened, another service uses these outputs, the policy or the
                notice can't be read, or the URL of the transcriber or of Label Studio is none.
            OutputsError: the outputs can't be written.
        """
        self.settings: Settings = settings()
        self.policy = policy()
        self.notice = _notice(self.settings.service.notice)
        options, own = self.settings, self.settings.service
        self.outputs = Outputs(options.outputs)
        self.state = state_directory()
        self.outputs_lock = OutputsLock(self.state)
        self.database = open_database(patience=LOCKED)
        self.query = QueryThreads()
        self.supervision = Supervision()
        self.polls = Polls()
        self.archiving = Archiving(self.state / "pending", options.outputs)
        self.stored_outputs = StoredOutputs(options.outputs, self.archiving.archive, forget=self._forget)
        self.jobs = Jobs(self.database, owner(self.state))
        self.deliveries = Deliveries(self.database, self.jobs.owner)
        self.keys = Keys(self.database)
        biggest = options.max_file_size + FORM
        self.uploads = Uploads(self.state / "uploads", most=max(own.max_uploads_size, biggest))
        self.waveforms = Waveforms(
            self.state / "waveforms", most=own.max_waveforms_size, longest=options.max_duration
        )
        self.models = ModelPool(most=own.max_models, idle=own.model_idle)
        self.decoders = Decoders(
            own.decoders or usable_cores(), memory=options.decoder_memory, stall=options.decode_stall
        )
        self.scheduler = Scheduler(self.models, threads=own.inference_threads)
        self.admission = Admission(self.scheduler, limit=own.queue_size)
        self.transcriber = Transcriber.of(own)
        self.label_studio = LabelStudio.of(own)
        self.pulls = Pulls()
        self.maps = Maps()
        self.evaluations = Evaluations(self.state / "evaluations", self.archiving.archive)
        self.trainings = Background("train", at_once=1, busy="wait until the head {} is trained")
        self.export_lock = asyncio.Lock()  # one export is written at a time; the others need no threads to wait
        self.receiving = 0  # uploads
        self.streams = 0
        self.live_threads = ThreadPoolExecutor(LIVE_THREADS, "live")
        self.lag = 0.0  # the event loop's worst since the last scrape, seconds
        self.waiting = 0  # jobs, at the runner's last round
        self.ready = False
        self.stopping = False

    def _forget(self, directories: Sequence[Path]) -> None:
        self.archiving.forget(directories)
        self.jobs.forget_outputs([directory.name for directory in directories])

    def remove_outputs(self, directory: Path) -> None:
        """Delete an outputs directory, ours or another that the archive knows, with jobs and what is cached of it.

        Raises:
            OutputsError: it can't be deleted.
        """
        if directory.parent == self.settings.outputs.absolute() and ID.fullmatch(directory.name):
            self.stored_outputs.remove(directory.name)
        else:
            remove(directory)

    @property
    def limits(self) -> Limits:
        """The limits of an upload of one recording."""
        options = self.settings
        size = options.max_file_size
        return Limits(size, size + FORM, 1, options.service.upload_stall, options.service.upload_rate)

    def close(self) -> None:
        """Close everything on disk, once nothing is running any more."""
        self.scheduler.close()
        self.live_threads.shutdown()
        self.query.close()
        self.database.dispose()
        self.archiving.archive.close()
        self.outputs_lock.release()

    async def recognize(
        self,
        token: str,
        name: str | None,
        options: RecognitionOptions,
        *,
        max_seconds: float,
        progress: JobProgress | None = None,
        claim: Claim = lambda *_: None,
        words: Callable[[], Awaitable[Words]] | None = None,
    ) -> tuple[Recognition, Save]:
        """Decode and recognise an upload, and store its outputs if the options say so.

        Args:
            token: of the upload.
            name: of the recording.
            options: of the recognition.
            max_seconds: of the longest recording accepted.
            progress: is kept up to date.
            claim: is called with each name tried for the outputs directory, the current path of result.json, and
                what of the exports is missing.
            words: gives what is said in it, for which this waits once it is decoded.

        Returns:
            The recognition, and how it was saved.

        Raises:
            AudioError: the recording can't be used.
            Problem: the service can't recognise it right now.
        """
        progress, run_options = progress or JobProgress(), options.to_options()
        async with (
            self.decode(token, name, run_options, max_seconds=max_seconds, progress=progress) as sound,
            begin_save(self.saving(options)) as save,
        ):
            decoded, run_options, again = await asyncio.to_thread(
                as_stored, self.stored_outputs, options.again, sound, run_options
            )
            cues, lines = (again, len(again)) if words is None else await words()
            request = Request(
                decoded,
                save.options(replace(run_options, words=cues) if cues else run_options),
                sink=_progress_sink(progress, save.sink),
                embedding_sink=save.embedding_sink,
            )
            recognition = await self.scheduler.recognize(options.choice(self.settings.model), request)
            progress.done("heard")
            if options.store:
                stored = recognition.lines and recognition.model_copy(update={"lines": recognition.lines[:lines]})

                def claim_it(name: str, result: Path) -> None:
                    claim(name, result, save.problem)

                await finish(self.commit(save, stored or recognition, claim_it))
                progress.done("stored")
            return recognition, save

    async def embed(
        self,
        token: str,
        name: str | None,
        choice: ModelChoice,
        declared: LiveArguments,
        *,
        max_seconds: float,
        progress: JobProgress,
    ) -> Recognition:
        """Decode and recognise an upload for the embedding of its speech alone, and store nothing.

        Args:
            token: of the upload.
            name: of the recording.
            choice: the model.
            declared: of it, as options of a recognition.
            max_seconds: of the longest recording accepted.
            progress: is kept up to date.

        Raises:
            AudioError: the recording can't be used.
            Problem: the service can't recognise it right now.
        """
        options = Options.of(embedding=True, speech_only=True, **declared)
        async with self.decode(token, name, options, max_seconds=max_seconds, progress=progress) as decoded:
            request = Request(decoded, options, sink=_progress_sink(progress, None))
            return await self.scheduler.recognize(choice, request)

    @asynccontextmanager
    async def decode(
        self, token: str, name: str | None, options: Options, *, max_seconds: float, progress: JobProgress
    ) -> AsyncIterator[Decoded]:
        """An upload, decoded for the length of the block; where that fails, the inference stops.

        Raises:
            AudioError: it can't be used.
        """
        stack = ExitStack()
        try:
            waveform = stack.enter_context(self.waveforms.create(token))

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
            yield decoded
        except BaseException:
            progress.stopped.set()
            raise
        finally:
            stack.close()

    def saving(self, options: RecognitionOptions) -> Saving:
        """How a recognition with these options is saved."""
        if not options.store:
            return Saving()
        return Saving(
            self.outputs,
            options.export,
            self.settings.labels,
            embeddings=options.embedding,
            sound=self.settings.keep == "all" or self.settings.service.keep_sound_days > 0,
            archive="later",
        )

    async def commit(
        self, save: Save, recognition: Recognition, claim: Callable[[str, Path], None] = lambda _, __: None
    ) -> None:
        """`Save.commit` in a thread, and what was published into the archive: later, if the database is away.

        Raises:
            EmovoxError: as `Save.commit`.
        """
        await asyncio.to_thread(save.commit, recognition, claim=claim)
        if save.problem is not None and save.directory is not None:
            log.warning("%s: %s", save.directory.name, save.problem)
        record = await asyncio.to_thread(self.archiving.enqueue, save)
        if record is not None:
            try:
                await self.query.within(LOCKED, self.archiving.add, record)
            except Problem:  # no answer in time, and nobody should wait for it
                self.archiving.retry()

    async def wait_for_archive(self) -> None:
        """Wait until the archive has what was stored before the start, by which outputs are listed.

        Raises:
            Problem: 503, it takes longer.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.archiving.complete.is_set():
            if time.monotonic() > deadline:
                detail = "stored outputs are still being archived: try again in 5 s"
                raise Problem(503, "archiving", detail, headers={"Retry-After": "5"})
            await asyncio.sleep(0.05)


def _notice(path: Path | None) -> str | None:
    """The text of the setting `notice`.

    Raises:
        SettingsError: it can't be read.
    """
    try:
        return None if path is None else path.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError) as error:
        raise SettingsError(f"setting notice: {path} can't be read: {error}") from error


def service_of(request: HttpRequest) -> Service:
    """The service that received a request."""
    return cast("Service", request.app.state.service)


def _progress_sink(progress: JobProgress, sink: Callable[[Waveform], None] | None) -> Callable[[Waveform], None]:
    """A sink that counts what the model gets, and raises if the recognition is no longer needed."""

    def take(block: Waveform) -> None:
        progress.take(block)
        if sink is not None:
            sink(block)

    return take


@asynccontextmanager
async def begin_save(saving: Saving) -> AsyncIterator[Save]:
    """`Saving.begin`; what was not committed is discarded in a thread."""
    stack = ExitStack()
    save = stack.enter_context(saving.begin())
    try:
        yield save
    finally:
        await finish(asyncio.to_thread(stack.close))


@contextmanager
def receiving(service: Service) -> Iterator[None]:
    """Count an upload while it is being received.

    Raises:
        Problem: 503, there are too many.
    """
    service.admission.check()
    if service.receiving >= service.settings.service.max_uploads:
        raise busy(1)
    service.receiving += 1
    try:
        yield
    finally:
        service.receiving -= 1


async def finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work that must not be interrupted, even if the caller is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
