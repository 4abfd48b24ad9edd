"""Recognition of one recording: right away, or as a job."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from emovox.errors import TooLargeError
from emovox.server.http.openapi import EXAMPLES, RECOGNITION, body
from emovox.server.http.problems import from_error, responses
from emovox.server.jobs.progress import JobProgress
from emovox.server.jobs.views import JobView, job_view
from emovox.server.service import service_of
from emovox.server.submission import Submission, accept, enqueue, runner_of, unless_gone

router = APIRouter(prefix="/v1", tags=["recognition"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The recognition: result.json. `Location` is the address of the stored outputs. Where "
        "exports could not be made, `X-Emovox-Problem` has the problem, which names them.",
        "content": {"application/json": {"schema": RECOGNITION, "examples": EXAMPLES}},
    },
    202: {"description": "A job will recognise it. `Location` is the job's address.", "model": JobView},
}


@router.post(
    "/recognitions",
    response_class=Response,
    responses={**_ANSWERS, **responses(408, 409, 413, 415, 422, 502, 503, 507)},
    openapi_extra=body(),
)
async def recognize(request: Request) -> Response:
    """Recognise one recording: a file in a form, or the body itself. Options are fields of the form or the query.

    Recordings longer than EMOVOX_SYNC_SECONDS, and those sent with `Prefer: respond-async`, become jobs.
    """
    service = service_of(request)
    submission = await accept(request, service.limits)
    file, handed_over = submission.files[0], False
    progress = JobProgress(size=file.size)
    try:
        if not _prefers_async(request):
            longest = min(service.settings.service.sync_seconds, service.settings.max_duration)
            try:
                with service.admission.admit(progress):
                    work = service.recognize(
                        file.token, file.name, submission.options, max_seconds=longest, progress=progress
                    )
                    recognition, save = await unless_gone(request, work)
            except TooLargeError:
                if longest == service.settings.max_duration:
                    raise
            else:
                headers = {"Server-Timing": _server_timing(progress)}
                if save.directory is not None:
                    headers["Location"] = f"/v1/outputs/{save.directory.name}"
                if save.problem is not None:
                    headers |= from_error(save.problem).beside()
                frames, stored = recognition.frames, save.directory is not None
                inline = frames is None or frames.goes_inline(submission.options.frames, stored=stored)
                pieces = recognition.json_pieces(inline=inline)
                if frames is not None and inline:
                    return StreamingResponse(pieces, media_type="application/json", headers=headers)
                return Response("".join(pieces), media_type="application/json", headers=headers)
        answer = await _as_job(request, submission)
        handed_over = True
        return answer
    finally:
        if not handed_over:
            service.uploads.remove(file.token)


async def _as_job(request: Request, submission: Submission) -> Response:
    runner = runner_of(request)
    job = (await enqueue(service_of(request), runner, submission))[0]
    headers = {"Location": f"/v1/jobs/{job.id}"}
    if _prefers_async(request):
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(job_view(job, runner).model_dump(mode="json"), 202, headers)


def _server_timing(progress: JobProgress) -> str:
    """The steps in milliseconds, as a header that browsers show (W3C Server Timing)."""
    return ", ".join(f"{step};dur={1000 * seconds:.1f}" for step, seconds in progress.timings.items())


def _prefers_async(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer"))
    return any(part.split(";")[0].strip().lower() == "respond-async" for part in preferences.split(","))
