"""Health: whether the service is alive, whether it is ready, and its metrics."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from emovox.server.http.problems import Problem, responses
from emovox.server.service import service_of

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service is well."""

    status: Literal["ok", "ready"]


@router.get("/healthz", responses=responses())
async def healthz() -> Health:
    """Whether the service is alive."""
    return Health(status="ok")


@router.get("/readyz", responses=responses(503))
async def readyz(request: Request) -> Health:
    """Whether the default model is loaded, recordings are accepted, and all background tasks are well."""
    service = service_of(request)
    if failures := service.supervision.failures():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
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
    """Metrics for Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
