"""The runner: takes jobs from the database, a few at a time, and brings each to its end, once."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import move_on_after
from pydantic import ValidationError

from emovox import files
from emovox.errors import ModelError
from emovox.outputs import RESULT
from emovox.server.http.problems import Problem, from_error, from_validation, log
from emovox.server.jobs.jobs import LONGEST_WAIT, Job
from emovox.server.jobs.progress import JobProgress
from emovox.server.jobs.transient_errors import is_database_away, is_transient
from emovox.server.options import RecognitionOptions
from emovox.server.service import Service

POLL = 2.0  # seconds after which the database is looked at even if nobody said that there is a job
LONGEST_PAUSE = 60.0  # seconds until a job is tried again: first one, then twice as many each time
TRIES = 6  # a minute, for a model that can't be loaded or run: it may be memory, which engines say in many ways
LONGEST_HOLD = 15.0  # seconds without any attempt, while all fail for troubles of the service
CLAIMING = 20.0  # seconds for which a database that is away is asked again before a recognition is given up
WORK, CLEARING = "recognising for jobs", "clearing up after jobs"


class Lost(Exception):  # noqa: N818  no error: somebody cancelled it
    """The job is no longer this runner's."""


@dataclass
class _Running:
    job: Job
    progress: JobProgress
    task: "asyncio.Task[None]"


class Runner:
    """Runs the service's jobs; what runs when it is closed waits for the next start.

    How a job ends in exactly one outputs directory: before a directory is published, its name and the checksum of
    its result.json are written down. What the database has as running and isn't, as the service was killed or the
    database was away when it ended, is settled by both: the directory is there, or the job runs again.

    A job that meets a trouble which passes by itself is put back with the problem, and tried again after a pause.
    """

    def __init__(self, service: Service, *, at_once: int) -> None:
        self._service = service
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._running: dict[str, _Running] = {}
        self._waits: dict[str, tuple[float, dict[str, Any]]] = {}  # until when, and for what
        self._failures, self._hold_until = 0, 0.0  # of the service, one after the other

    def wake(self) -> None:
        """Say that there is something to do."""
        self._wake.set()

    def owns(self, job: Job) -> bool:
        """Whether a job is this service's, or another's on the same database."""
        return job.owner in {None, self._service.jobs.owner}

    def progress(self, job: Job) -> float:
        """How far a job has come, 0 to 1; of one that another service runs nothing is known until it is done."""
        if job.state == "running" and job.id in self._running:
            return self._running[job.id].progress.share
        return 1.0 if job.state == "done" else 0.0

    def batch_progress(self, batch: str) -> float:
        """The progress of a batch's jobs that run, together."""
        return sum(work.progress.share for work in self._running.copy().values() if work.job.batch == batch)

    def stop(self, id_: str) -> None:
        """End the work on a job that was cancelled."""
        work = self._running.get(id_)
        if work is not None and not work.progress.stopped.is_set():  # once: its end may take a while
            work.progress.stopped.set()
            work.task.cancel()

    async def round(self) -> None:
        """Settle what has broken off, and begin what is due."""
        query, jobs = self._service.query, self._service.jobs
        await self._settle_all()
        self._service.waiting = await query(jobs.waiting)
        while len(self._running) < self._at_once and time.monotonic() >= self._hold_until:
            job = await query(jobs.next)
            if job is None:
                break
            self._begin(job)
        if self._failures and not self._running and not self._waits and not await query(jobs.troubled):
            self._succeeded()  # nothing is left that could tell whether the trouble is over

    async def rest(self) -> None:
        """Wait until somebody says that there is something to do, or a while."""
        with move_on_after(POLL):
            await self._wake.wait()
        self._wake.clear()

    async def close(self) -> None:
        """Break off what runs, and put it back."""
        tasks = [work.task for work in self._running.values()]
        for id_ in list(self._running):
            self.stop(id_)
        if tasks:
            await asyncio.wait(tasks)
        try:
            await self._settle_all()
        except Exception as error:
            log.error("what ran is put back at the next start: %s", from_error(error).detail)

    def _begin(self, job: Job) -> None:
        progress = JobProgress()
        task = asyncio.create_task(self._run(job, progress))
        self._running[job.id] = _Running(job, progress, task)

        def ended(_: "asyncio.Task[None]") -> None:
            self._running.pop(job.id, None)
            self.wake()

        task.add_done_callback(ended)

    async def _run(self, job: Job, progress: JobProgress) -> None:
        began = time.monotonic()
        try:
            await self._attempt(job, progress)
        except Exception as error:  # it passes, or the job's end couldn't be written down
            # At least as long as the attempt took: what always fails late shall not take all of the time.
            pause = max(min(LONGEST_PAUSE, 2.0 ** min(job.attempts, 10)), time.monotonic() - began)
            pause = min(pause, LONGEST_WAIT)
            problem = from_error(error)
            self._waits[job.id] = (time.time() + pause, problem.to_dict())
            log.warning("job %s waits %.0f s: %s", job.id, pause, problem.detail)
            if not isinstance(error, ModelError | MemoryError):  # which may be for its model alone
                self._failures += 1
                self._hold_until = time.monotonic() + min(LONGEST_HOLD, 2.0 ** min(self._failures, 10) / 2)
                self._service.supervision.failed(WORK, error)
        else:
            self._succeeded()

    async def _attempt(self, job: Job, progress: JobProgress) -> None:
        service, jobs = self._service, self._service.jobs
        try:
            recognition, place = await service.hear(
                job.upload,
                job.name,
                _options(job),
                max_seconds=service.settings.max_duration,
                progress=progress,
                claim=lambda name, result: self._claim(job, progress, name, result),
            )
            ending: dict[str, Any]
            if place is not None:
                ending = {"output": place.name}
            else:
                ending = {"result": await asyncio.to_thread(list, recognition.json_pieces())}
            # Where it was cancelled meanwhile, this does nothing, and the next round clears up.
            await service.query(jobs.finish, job.id, "done", timings=progress.timings, **ending)
        except Lost:
            return
        except Exception as error:
            if is_transient(error) or (type(error) is ModelError and job.attempts < TRIES):
                raise
            await service.query(jobs.finish, job.id, "failed", problem=from_error(error).to_dict())
        await asyncio.to_thread(service.uploads.remove, job.upload)

    def _claim(self, job: Job, progress: JobProgress, name: str, result: Path) -> None:
        """Write down what is about to be published; hours of work aren't lost to a moment without database."""
        checksum, until = files.digest(result), time.monotonic() + CLAIMING
        while True:
            try:
                claimed = self._service.jobs.claim(job.id, name, checksum)
            except Exception as error:
                if not is_database_away(error) or time.monotonic() > until or progress.stopped.wait(0.5):
                    raise
            else:
                if not claimed:
                    raise Lost
                return

    def _succeeded(self) -> None:
        self._failures, self._hold_until = 0, 0.0
        self._service.supervision.well(WORK)

    async def _settle_all(self) -> None:
        trouble: Exception | None = None
        ended: list[Job] = []  # before they did anything
        for job in await self._service.query(self._service.jobs.unsettled):
            if job.id in self._running:
                if job.state == "cancelled":
                    self.stop(job.id)
            elif job.state == "cancelled" and not job.claim:
                ended.append(job)
            else:
                try:
                    await self._service.query(self._settle, job)
                except Exception as error:
                    if is_database_away(error):
                        raise
                    trouble = error  # which shall not hold up the others
        if ended:  # thousands, where a batch was cancelled
            await self._service.query(self._clear, ended)
        if trouble is None:
            self._service.supervision.well(CLEARING)
        else:
            self._service.supervision.failed(CLEARING, trouble)

    def _clear(self, cancelled: list[Job]) -> None:
        for job in cancelled:
            self._service.uploads.remove(job.upload)
        self._service.jobs.settled([job.id for job in cancelled])
        for job in cancelled:
            self._waits.pop(job.id, None)

    def _settle(self, job: Job) -> None:
        """Settle a job whose work was broken off: done if its outputs were published, else it waits again."""
        jobs, service = self._service.jobs, self._service
        published = self._published(job)
        if job.state == "cancelled":
            if published is not None:
                service.library.remove(published)
            self._clear([job])
        elif published is not None:
            jobs.finish(job.id, "done", output=published)
            service.uploads.remove(job.upload)
        elif not service.uploads.path(job.upload).exists():
            problem = Problem(500, "upload-lost", "the uploaded recording is gone")
            jobs.finish(job.id, "failed", problem=problem.to_dict())
        else:
            due, waits_for = self._waits.get(job.id, (0.0, None))
            jobs.put_back(job.id, due=due, problem=waits_for)
        self._waits.pop(job.id, None)

    def _published(self, job: Job) -> str | None:
        """The outputs directory that a job has published, if it has."""
        if job.claim and job.digest:
            try:
                if files.digest(self._service.settings.outputs / job.claim / RESULT) == job.digest:
                    return job.claim
            except FileNotFoundError:
                pass
        return None


def _options(job: Job) -> RecognitionOptions:
    """The options of a job. What could be asked when it was accepted may be gone by now: a head, for one.

    Raises:
        Problem: 422, they can't be.
    """
    try:
        return RecognitionOptions.parse(job.options)
    except ValidationError as error:
        raise from_validation(error) from error
