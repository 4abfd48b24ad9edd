"""Recognising one recording: at once, or as a job."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from emovox.errors import TooLargeError
from emovox.server.http.openapi import EXAMPLE, RECOGNITION, body
from emovox.server.http.problems import responses
from emovox.server.jobs.progress import JobProgress
from emovox.server.jobs.views import JobView, dump, job_view
from emovox.server.service import service_of
from emovox.server.submission import Accepted, accept, enqueue, runner_of, unless_gone

router = APIRouter(prefix="/v1", tags=["recognition"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What was recognised: the JSON of result.json. `Location` is that of the stored outputs.",
        "content": {"application/json": {"schema": RECOGNITION, "example": EXAMPLE}},
    },
    202: {"description": "A job will do it. `Location` is that of the job.", "model": JobView},
}


@router.post(
    "/recognitions",
    response_class=Response,
    responses={**_ANSWERS, **responses(408, 409, 413, 415, 422, 502, 503, 507)},
    openapi_extra=body(),
)
async def recognize(request: Request) -> Response:
    """Recognise one recording: a file of a form, or the body itself; options as fields of the form or the query.

    Recordings longer than EMOVOX_SYNC_SECONDS, and those sent with `Prefer: respond-async`, become jobs.
    """
    service = service_of(request)
    accepted = await accept(request, service.limits)
    file, handed_over = accepted.files[0], False
    progress = JobProgress(size=file.size)
    try:
        if not _prefers_async(request):
            longest = min(service.settings.service.sync_seconds, service.settings.max_duration)
            try:
                with service.admission.admit(progress):
                    run = service.hear(
                        file.token, file.name, accepted.options, max_seconds=longest, progress=progress
                    )
                    recognition, place = await unless_gone(request, run)
            except TooLargeError:
                if longest == service.settings.max_duration:
                    raise
            else:
                headers = {"Server-Timing": _server_timing(progress)}
                if place is not None:
                    headers["Location"] = f"/v1/outputs/{place.name}"
                text = await asyncio.to_thread(recognition.to_json)  # which for frames takes a while
                return Response(text, media_type="application/json", headers=headers)
        answer = await _as_job(request, accepted)
        handed_over = True
        return answer
    finally:
        if not handed_over:
            service.uploads.remove(file.token)


async def _as_job(request: Request, accepted: Accepted) -> Response:
    runner = runner_of(request)
    job = (await enqueue(service_of(request), runner, accepted))[0]
    headers = {"Location": f"/v1/jobs/{job.id}"}
    if _prefers_async(request):
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(dump(job_view(job, runner)), 202, headers)


def _server_timing(progress: JobProgress) -> str:
    """The steps as a header that browsers show (W3C Server Timing), in milliseconds."""
    return ", ".join(f"{step};dur={1000 * seconds:.1f}" for step, seconds in progress.timings.items())


def _prefers_async(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer"))
    return any(part.split(";")[0].strip().lower() == "respond-async" for part in preferences.split(","))
