"""Whether the service lives, whether it is ready, and what it measures."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from emovox.server.http.problems import Problem, responses
from emovox.server.service import service_of

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok", "ready"]


@router.get("/healthz", responses=responses())
async def healthz() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=responses(503))
async def readyz(request: Request) -> Health:
    """Whether the default model is loaded, recordings are taken, and all that runs beside the requests is well."""
    service = service_of(request)
    if troubles := service.supervision.troubles():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in troubles.items())
        raise Problem(503, "not-ready", reasons, headers={"Retry-After": "5"})
    if not service.ready or service.stopping:
        raise Problem(503, "not-ready", "the model is being loaded", headers={"Retry-After": "1"})
    return Health(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses()},
)
def metrics(request: Request) -> Response:
    """Measurements for Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
