"""Requests in the log of use: which route, which outputs or job, and what became of it; never what is in them.

A recording's own entry comes where it is saved. One that becomes a job is logged twice, when it is asked for and
when the job has recognised it: `who` of the second entry is the job, which the first one names.
"""

from http import HTTPStatus

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emovox import use_log
from emovox.errors import UseLogError
from emovox.server.http.problems import from_error
from emovox.use_log import Action

_OUTPUT = "/v1/outputs/{id_}"
_LABEL = f"{_OUTPUT}/segments/{{number}}/label"
ACTIONS: dict[tuple[str, str], Action] = {
    ("POST", "/v1/recognitions"): "requested",
    ("POST", "/v1/audio/transcriptions"): "requested",
    ("POST", "/v1/label-studio/predict"): "requested",
    ("POST", "/v1/label-studio/webhook"): "requested",
    ("POST", "/v1/batches"): "requested",
    ("GET", "/v1/jobs/{id_}/result"): "read",
    ("GET", "/v1/outputs"): "read",
    ("GET", _OUTPUT): "read",
    ("GET", f"{_OUTPUT}/result"): "read",
    ("GET", f"{_OUTPUT}/timeline"): "read",
    ("GET", f"{_OUTPUT}/files/{{name}}"): "exported",
    ("GET", f"{_OUTPUT}/zip"): "exported",
    ("POST", f"{_OUTPUT}/exports"): "exported",
    ("DELETE", _OUTPUT): "deleted",
    ("GET", "/v1/archive"): "read",
    ("GET", "/v1/archive/stats"): "read",
    ("GET", "/v1/archive/moments"): "read",
    ("GET", "/v1/archive/map"): "read",
    ("GET", "/v1/evaluations/{id_}"): "read",
    ("POST", "/v1/evaluations"): "read",
    ("DELETE", "/v1/evaluations/{id_}"): "deleted",
    ("POST", "/v1/archive/erasures"): "deleted",
    ("GET", f"{_OUTPUT}/similar"): "read",
    ("GET", "/v1/corrections"): "read",
    ("GET", "/v1/corrections/next"): "read",
    ("GET", f"{_OUTPUT}/corrections"): "read",
    ("PUT", _LABEL): "corrected",
    ("DELETE", _LABEL): "corrected",
    ("POST", "/v1/heads"): "trained",
    ("POST", "/v1/baselines"): "trained",
    ("DELETE", "/v1/baselines/{name}"): "deleted",
}
"""What each route that has to do with people does to what is known of them."""
UNLOGGED = frozenset({
    "/", "/assets/{name}", "/favicon.svg", "/docs", "/healthz", "/readyz", "/metrics", "/v1/session", "/v1/policy",
    "/v1/emotions", "/v1/schema", "/v1/exports", "/v1/examples", "/v1/examples/{name}", "/v1/models",
    "/v1/models/{name:path}/pull", "/v1/archive/flags", "/v1/archive/flags/{flag}", f"{_OUTPUT}/tags/{{tag}}",
    "/v1/heads", "/v1/baselines", "/v1/baselines/{name}",
    "/v1/label-studio/health", "/v1/label-studio/metrics", "/v1/label-studio/setup",
    "/v1/evaluations", "/v1/jobs", "/v1/jobs/{id_}", "/v1/jobs/{id_}/events", "/v1/batches/{id_}",
    "/v1/batches/{id_}/events",
})  # fmt: skip
"""Routes that give nothing that was inferred of anybody, or nothing but how far it is."""


class Use:
    """Logs requests before their answer begins; what can't be logged is answered with 503, whatever it did."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        key = scope.get("state", {}).get("key")
        refused = False

        async def logged(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                try:
                    await run_sync(_log, scope, message["status"], Headers(raw=message["headers"]))
                except UseLogError as error:  # too late for Starlette, which takes the answer to have begun
                    refused = True
                    await from_error(error).response()(scope, receive, send)
            if not refused:
                await send(message)

        with use_log.by(None if key is None else f"key {key}"):
            await self._app(scope, receive, logged)


def _log(scope: Scope, status: int, headers: Headers) -> None:
    route = getattr(scope.get("route"), "path", "")
    action = ACTIONS.get((scope["method"], route))
    if action is None:
        return
    location = headers.get("location", "")
    outputs = [scope.get("path_params", {}).get("id_", "")] if route.startswith(_OUTPUT) else []
    outputs += [location.rpartition("/")[2]] if location.startswith("/v1/outputs/") else []
    use_log.log(
        action if status < HTTPStatus.BAD_REQUEST else "refused",
        outputs=outputs,
        route=f"{scope['method']} {route}",
        job=location.removeprefix("/v1/") if location.startswith(("/v1/jobs/", "/v1/batches/")) else None,
        outcome=status if status >= HTTPStatus.BAD_REQUEST else None,
    )
