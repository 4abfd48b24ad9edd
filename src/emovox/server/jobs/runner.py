"""The runner: takes jobs from the database, a few at a time, and finishes each exactly once."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import move_on_after
from pydantic import ValidationError

from emovox import files, use_log
from emovox.errors import ExportError, ModelError
from emovox.outputs import RESULT
from emovox.server.http.problems import Problem, from_error, from_validation, log
from emovox.server.jobs.jobs import LONGEST_WAIT, Job
from emovox.server.jobs.progress import JobProgress
from emovox.server.jobs.transient_errors import is_database_away, is_transient
from emovox.server.options import RecognitionOptions
from emovox.server.service import Service

POLL = 2.0  # seconds between polls of the database while nobody reports a job
LONGEST_PAUSE = 60.0  # seconds before a retry: one at first, then twice as many each time
TRIES = 6  # about a minute, if a model can't be loaded or run: it may be memory, which engines say in many ways
LONGEST_HOLD = 15.0  # seconds without any attempt, while the service makes all of them fail
CLAIMING = 20.0  # seconds to retry while the database is away, before a recognition is given up
WORK, CLEARING = "recognising for jobs", "clearing up after jobs"


class JobLost(Exception):  # noqa: N818  no error: it was cancelled
    """The job is no longer this runner's."""


@dataclass
class _Run:
    job: Job
    progress: JobProgress
    task: "asyncio.Task[None]"


class Runner:
    """Runs the service's jobs; those still running at its close wait for the next start.

    How a job ends in exactly one outputs directory: before a directory is published, its name and the checksum of
    its result.json are recorded. If the database says that a job is running and it isn't, because the service was
    killed or the database was away when it ended, these decide: the directory is there, or the job runs again.

    A job that runs into a transient error is put back with the problem, and retried after a pause.
    """

    def __init__(self, service: Service, *, at_once: int) -> None:
        self._service = service
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._runs: dict[str, _Run] = {}
        self._waits: dict[str, tuple[float, dict[str, Any]]] = {}  # until when, and why
        self._failures, self._hold_until = 0, 0.0  # of the service, in a row

    def wake(self) -> None:
        """Report that there is something to do."""
        self._wake.set()

    def owns(self, job: Job) -> bool:
        """Whether a job is this service's, and not another's on the same database."""
        return job.owner in {None, self._service.jobs.owner}

    def progress(self, job: Job) -> float:
        """How far a job has come, 0 to 1; of another service's, 0 until it is done."""
        if job.state == "running" and job.id in self._runs:
            return self._runs[job.id].progress.share
        return 1.0 if job.state == "done" else 0.0

    def batch_progress(self, batch: str) -> float:
        """The progress of a batch's running jobs, summed up."""
        return sum(work.progress.share for work in self._runs.copy().values() if work.job.batch == batch)

    def stop(self, id_: str) -> None:
        """Stop the work on a job that was cancelled."""
        work = self._runs.get(id_)
        if work is not None and not work.progress.stopped.is_set():  # only once: stopping may take a while
            work.progress.stopped.set()
            work.task.cancel()

    async def round(self) -> None:
        """Settle jobs that were interrupted, and begin those that are due."""
        query, jobs = self._service.query, self._service.jobs
        await self._settle_all()
        self._service.waiting = await query(jobs.waiting)
        while len(self._runs) < self._at_once and time.monotonic() >= self._hold_until:
            job = await query(jobs.next)
            if job is None:
                break
            self._begin(job)
        if self._failures and not self._runs and not self._waits and not await query(jobs.has_problem):
            self._succeeded()  # no job is left that could show whether the problem is over

    async def rest(self) -> None:
        """Wait until there is something to do, or a while."""
        with move_on_after(POLL):
            await self._wake.wait()
        self._wake.clear()

    async def close(self) -> None:
        """Interrupt running jobs, and put them back."""
        tasks = [work.task for work in self._runs.values()]
        for id_ in list(self._runs):
            self.stop(id_)
        if tasks:
            await asyncio.wait(tasks)
        try:
            await self._settle_all()
        except Exception as error:
            log.error("running jobs will be put back at the next start: %s", from_error(error).detail)

    def _begin(self, job: Job) -> None:
        progress = JobProgress()
        task = asyncio.create_task(self._run(job, progress))
        self._runs[job.id] = _Run(job, progress, task)

        def end(_: "asyncio.Task[None]") -> None:
            self._runs.pop(job.id, None)
            self.wake()

        task.add_done_callback(end)

    async def _run(self, job: Job, progress: JobProgress) -> None:
        started = time.monotonic()
        try:
            with use_log.by(f"job {job.id}" if job.batch is None else f"job {job.id} of batch {job.batch}"):
                await self._attempt(job, progress)
        except Exception as error:  # it is transient, or the job's end couldn't be recorded
            # At least as long as the attempt took: a job that always fails late must not take all the time.
            pause = max(min(LONGEST_PAUSE, 2.0 ** min(job.attempts, 10)), time.monotonic() - started)
            pause = min(pause, LONGEST_WAIT)
            problem = from_error(error)
            self._waits[job.id] = (time.time() + pause, problem.to_dict())
            log.warning("job %s: retrying in %.0f s: %s", job.id, pause, problem.detail)
            if not isinstance(error, ModelError | MemoryError):  # it may be this job's model alone
                self._failures += 1
                self._hold_until = time.monotonic() + min(LONGEST_HOLD, 2.0 ** min(self._failures, 10) / 2)
                self._service.supervision.failed(WORK, error)
        else:
            self._succeeded()

    async def _attempt(self, job: Job, progress: JobProgress) -> None:
        service, jobs = self._service, self._service.jobs
        try:
            recognition, save = await service.recognize(
                job.upload,
                job.name,
                _options(job),
                max_seconds=service.settings.max_duration,
                progress=progress,
                claim=lambda name, result, missing: self._claim(job, progress, name, result, missing),
            )
            ending: dict[str, Any]
            if save.directory is not None:
                ending = {"output": save.directory.name, "problem": _details(save.problem)}
            else:
                ending = {"result": await asyncio.to_thread(list, recognition.json_pieces())}
            # If it was cancelled meanwhile this does nothing, and the next round clears up.
            await service.query(jobs.finish, job.id, "done", timings=progress.timings, **ending)
        except JobLost:
            return
        except Exception as error:
            if is_transient(error) or (type(error) is ModelError and job.attempts < TRIES):
                raise
            await service.query(jobs.finish, job.id, "failed", problem=from_error(error).to_dict())
        await asyncio.to_thread(service.uploads.remove, job.upload)

    def _claim(
        self, job: Job, progress: JobProgress, name: str, result: Path, missing: ExportError | None
    ) -> None:
        """Record what is about to be published; a moment without the database mustn't cost hours of work."""
        checksum, until = files.digest(result), time.monotonic() + CLAIMING
        problem = _details(missing)
        while True:
            try:
                claimed = self._service.jobs.claim(job.id, name, checksum, problem=problem)
            except Exception as error:
                if not is_database_away(error) or time.monotonic() > until or progress.stopped.wait(0.5):
                    raise
            else:
                if not claimed:
                    raise JobLost
                return

    def _succeeded(self) -> None:
        self._failures, self._hold_until = 0, 0.0
        self._service.supervision.well(WORK)

    async def _settle_all(self) -> None:
        failure: Exception | None = None
        unused: list[Job] = []  # cancelled before they claimed anything
        for job in await self._service.query(self._service.jobs.unsettled):
            if job.id in self._runs:
                if job.state == "cancelled":
                    self.stop(job.id)
            elif job.state == "cancelled" and not job.claim:
                unused.append(job)
            else:
                try:
                    await self._service.query(self._settle, job)
                except Exception as error:
                    if is_database_away(error):
                        raise
                    failure = error  # which must not hold up the others
        if unused:  # thousands, if a batch was cancelled
            await self._service.query(self._clear, unused)
        if failure is None:
            self._service.supervision.well(CLEARING)
        else:
            self._service.supervision.failed(CLEARING, failure)

    def _clear(self, cancelled: list[Job]) -> None:
        for job in cancelled:
            self._service.uploads.remove(job.upload)
        self._service.jobs.settle([job.id for job in cancelled])
        for job in cancelled:
            self._waits.pop(job.id, None)

    def _settle(self, job: Job) -> None:
        """Settle a job that was interrupted: it is done if its outputs were published, else it is put back."""
        jobs, service = self._service.jobs, self._service
        published = self._published(job)
        if job.state == "cancelled":
            if published is not None:
                service.stored_outputs.remove(published)
            self._clear([job])
        elif published is not None:
            jobs.finish(job.id, "done", output=published, problem=job.problem)
            service.uploads.remove(job.upload)
        elif not service.uploads.path(job.upload).exists():
            problem = Problem(500, "upload-lost", "the uploaded recording is gone")
            jobs.finish(job.id, "failed", problem=problem.to_dict())
        else:
            due, waits_for = self._waits.get(job.id, (0.0, None))
            jobs.put_back(job.id, due=due, problem=waits_for)
        self._waits.pop(job.id, None)

    def _published(self, job: Job) -> str | None:
        """The outputs directory that a job has published, if any."""
        if job.claim and job.digest:
            try:
                if files.digest(self._service.settings.outputs / job.claim / RESULT) == job.digest:
                    return job.claim
            except FileNotFoundError:
                pass
        return None


def _details(missing: ExportError | None) -> dict[str, Any] | None:
    """The exports that are missing, as the problem of a job that is done all the same."""
    return None if missing is None else from_error(missing).to_dict()


def _options(job: Job) -> RecognitionOptions:
    """The options of a job. What was there when it was accepted may be gone by now, such as a head.

    Raises:
        Problem: 422, they are no longer valid.
    """
    try:
        return RecognitionOptions.parse(job.options)
    except ValidationError as error:
        raise from_validation(error) from error
