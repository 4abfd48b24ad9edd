"""The runner: takes jobs from the database, a few at a time, and brings each to its end, once."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from anyio import move_on_after

from emovox.outputs import RESULT
from emovox.server.jobs import Job
from emovox.server.options import RecognitionOptions
from emovox.server.problems import Problem, from_error, log
from emovox.server.service import Progress, Service, digest

POLL = 2.0  # seconds after which the database is looked at even if nobody said that there is a job


class Lost(Exception):  # noqa: N818  no error: somebody cancelled it
    """The job is no longer this runner's."""


class Runner:
    """Runs jobs until it is stopped; what runs then waits for the next start.

    How a job ends in exactly one outputs directory: before a directory is published, its name and the checksum of
    its result.json are written down. Where the service was killed between that and the job's end, the next start
    finds the directory by both, or, if it isn't there, runs the job again.
    """

    def __init__(self, service: Service, *, at_once: int) -> None:
        self._service = service
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._running: dict[str, tuple[Progress, asyncio.Task[None]]] = {}
        self._stopping = False

    def wake(self) -> None:
        """Say that there is a job."""
        self._wake.set()

    def progress(self, job: Job) -> float:
        """How far a job has come, 0 to 1."""
        if job.state == "running" and job.id in self._running:
            return self._running[job.id][0].share
        return 1.0 if job.state == "done" else 0.0

    def stop(self, id_: str) -> None:
        """End the work on a job that was cancelled."""
        if id_ in self._running:
            progress, task = self._running[id_]
            progress.stopped.set()
            task.cancel()

    async def run(self) -> None:
        """Finish what a killed service left, then run jobs until cancelled."""
        try:
            await self._recover()
            while True:
                self._wake.clear()
                while len(self._running) < self._at_once:
                    job = await asyncio.to_thread(self._service.jobs.next)
                    if job is None:
                        break
                    self._begin(job)
                with move_on_after(POLL):
                    await self._wake.wait()
        finally:
            self._stopping = True
            for progress, task in list(self._running.values()):
                progress.stopped.set()
                task.cancel()
            for id_, (_, task) in list(self._running.items()):
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await asyncio.to_thread(self._settle, id_)

    def _begin(self, job: Job) -> None:
        progress = Progress()
        task = asyncio.create_task(self._run(job, progress))
        self._running[job.id] = (progress, task)

        def ended(task: "asyncio.Task[None]") -> None:
            self._running.pop(job.id, None)
            if task.cancelled() and not self._stopping:
                asyncio.get_running_loop().run_in_executor(None, self._settle, job.id)
            self.wake()

        task.add_done_callback(ended)

    async def _run(self, job: Job, progress: Progress) -> None:
        service, jobs = self._service, self._service.jobs

        def claim(name: str, result: Path) -> None:
            if not jobs.claim(job.id, name, digest(result)):
                raise Lost

        try:
            options = RecognitionOptions.model_validate(job.options)
            recognition, place = await service.hear(
                job.upload,
                job.name,
                options,
                max_seconds=service.settings.max_duration,
                progress=progress,
                claim=claim,
            )
            ending: dict[str, Any] = {"result": recognition.to_json()} if place is None else {"output": place.name}
            if (
                not await asyncio.to_thread(jobs.finish, job.id, "done", timings=progress.timings, **ending)
                and place is not None
            ):
                await asyncio.to_thread(service.library.remove, place.name)  # cancelled while it was published
        except Lost:
            pass
        except Problem as error:
            if error.status == 503:  # no fault of the recording: it waits for better times
                await asyncio.sleep(1)
                await asyncio.to_thread(jobs.requeue, job.id)
                return
            await asyncio.to_thread(jobs.finish, job.id, "failed", problem=error.to_dict())
        except Exception as error:
            await asyncio.to_thread(jobs.finish, job.id, "failed", problem=from_error(error).to_dict())
        await asyncio.to_thread(service.uploads.remove, job.upload)

    async def _recover(self) -> None:
        for job in await asyncio.to_thread(self._service.jobs.running):
            await asyncio.to_thread(self._settle, job.id)

    def _settle(self, id_: str) -> None:
        """A job whose work was broken off: done if its outputs were published, else it waits again."""
        jobs, service = self._service.jobs, self._service
        job = jobs.get(id_)
        if job is None or job.state not in {"running", "cancelled"}:
            return
        published = self._published(job)
        if job.state == "cancelled":
            if published is not None:
                service.library.remove(published)
            service.uploads.remove(job.upload)
            return
        if published is not None:
            jobs.finish(id_, "done", output=published)
            service.uploads.remove(job.upload)
            return
        if not service.uploads.path(job.upload).exists():
            problem = Problem(500, "upload-lost", "the uploaded recording is gone")
            jobs.finish(id_, "failed", problem=problem.to_dict())
            return
        log.info("job %s runs again after %.0f s", id_, time.time() - (job.started or time.time()))
        jobs.requeue(id_)

    def _published(self, job: Job) -> str | None:
        """The outputs directory that a job has published, if it has."""
        if job.claim and job.digest:
            with contextlib.suppress(OSError):
                if digest(self._service.settings.outputs / job.claim / RESULT) == job.digest:
                    return job.claim
        return None
