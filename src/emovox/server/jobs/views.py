"""Jobs and batches as clients see them."""

from collections import Counter
from datetime import datetime, timezone

from pydantic import BaseModel, Field

from emovox.server.http.problems import ProblemDetails
from emovox.server.jobs.jobs import FINISHED, Job, State
from emovox.server.jobs.runner import Runner


class JobView(BaseModel):
    """A job."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    state: State
    progress: float = Field(description="0 to 1", ge=0, le=1)
    name: str | None = Field(description="of the recording")
    channel: int | None = Field(description="recognised alone, from 1; null: the mean of all")
    batch: str | None = Field(description="the batch it belongs to")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    output: str | None = Field(description="id of the stored outputs, once done; null if another service has them")
    elsewhere: bool = Field(
        description="whether another service on the same database runs it, and has its progress and outputs"
    )
    problem: ProblemDetails | None = Field(
        description="why it failed; while it is queued, the transient problem that it waits out; once it is done, "
        "which exports are missing beside its result, and why"
    )
    timings: dict[str, float] | None = Field(description="seconds of each step, once done: decoded, waited, …")
    links: dict[str, str] = Field(description="related addresses")


class BatchProgress(BaseModel):
    """The progress of a batch."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    count: int
    states: dict[str, int] = Field(description="how many jobs are in each state")
    progress: float = Field(description="0 to 1; failed and cancelled jobs count as finished", ge=0, le=1)
    finished: bool
    links: dict[str, str]


class BatchView(BatchProgress):
    """A batch, with its jobs and their overall progress."""

    jobs: list[JobView] = Field(description="in the order of the files, and of each file's channels")


def job_view(job: Job, runner: Runner) -> JobView:
    """A job, with its current progress."""
    address = f"/v1/jobs/{job.id}"
    links = {"self": address, "events": f"{address}/events"}
    if job.batch:
        links["batch"] = f"/v1/batches/{job.batch}"
    elsewhere = not runner.owns(job)
    if job.output and not elsewhere:
        links["output"] = f"/v1/outputs/{job.output}"
    if job.state == "done" and not (job.output and elsewhere):
        links["result"] = f"{address}/result"
    return JobView(
        id=job.id,
        state=job.state,
        progress=round(runner.progress(job), 4),
        name=job.name,
        channel=job.options.get("channel"),
        batch=job.batch,
        created_at=_moment(job.created),
        started_at=None if job.started is None else _moment(job.started),
        finished_at=None if job.finished is None else _moment(job.finished),
        output=None if elsewhere else job.output,  # its name may be that of other outputs here
        elsewhere=elsewhere,
        problem=None if job.problem is None else ProblemDetails.model_validate(job.problem),
        timings=job.timings,
        links=links,
    )


def batch_progress(id_: str, states: dict[str, int], runner: Runner) -> BatchProgress:
    """The progress of a batch, by the number of its jobs in each state."""
    count = sum(states.values())
    finished = sum(states.get(state, 0) for state in FINISHED)
    address = f"/v1/batches/{id_}"
    return BatchProgress(
        id=id_,
        count=count,
        states=states,
        progress=round(min(1.0, (finished + runner.batch_progress(id_)) / count), 4),
        finished=finished == count,
        links={"self": address, "events": f"{address}/events"},
    )


def batch_view(id_: str, jobs: list[Job], runner: Runner) -> BatchView:
    """A batch of these jobs; there is at least one."""
    progress = batch_progress(id_, dict(Counter(job.state for job in jobs)), runner)
    return BatchView(**vars(progress), jobs=[job_view(job, runner) for job in jobs])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
