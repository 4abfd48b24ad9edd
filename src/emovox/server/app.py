"""The app: routes, guard and errors together."""

from fastapi import FastAPI

from emovox.server.http import problems
from emovox.server.http.access import Access
from emovox.server.http.guard import Guard
from emovox.server.http.openapi import describe
from emovox.server.http.use import Use
from emovox.server.lifespan import lifespan
from emovox.server.metrics import Metrics, Observer
from emovox.server.routes import (
    archive,
    baselines,
    batches,
    corrections,
    docs,
    erasures,
    evaluations,
    examples,
    flags,
    heads,
    health,
    jobs,
    labelling,
    live,
    map,
    models,
    outputs,
    page,
    policy,
    recognitions,
    schema,
    session,
    transcriptions,
)
from emovox.server.service import Service
from emovox.settings import settings
from emovox.version import __version__

ROUTERS = (
    health.router,
    schema.router,
    models.router,
    policy.router,
    examples.router,
    recognitions.router,
    transcriptions.router,
    labelling.router,
    jobs.router,
    batches.router,
    outputs.router,
    archive.router,
    map.router,
    evaluations.router,
    flags.router,
    corrections.router,
    erasures.router,
    heads.router,
    baselines.router,
    live.router,
    session.router,
    docs.router,
    page.router,
)


def create_app(*, host: str = "127.0.0.1", keys_needed: bool = False) -> FastAPI:
    """Make the app; its background tasks start and end with its lifespan.

    Args:
        host: the address it listens on, which is one of its names.
        keys_needed: require API keys.

    Raises:
        SettingsError: the settings or the database can't be used.
        OutputsError: the outputs can't be written.
    """
    options = settings().service
    service = Service()

    app = FastAPI(
        title="Emovox",
        summary="Hear emotion in speech.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        # Newer FastAPI sends traces if the environment says so, and they would contain names of recordings.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    app.state.access = access = Access(service.keys, service.database, needed=keys_needed)
    routes = [route for router in ROUTERS for route in router.routes]
    problems.install(app, routes)
    for router in ROUTERS:
        app.include_router(router)
    describe(app)
    metrics = Metrics(service)
    app.state.metrics = metrics
    app.add_middleware(Use)
    app.add_middleware(
        Guard,
        hosts={"localhost", "127.0.0.1", "::1", host.lower(), *_words(options.allowed_hosts.lower())},
        origins=_words(options.cors_origins),
        methods=problems.methods_of(routes),
        access=access,
        rate_limit=options.rate_limit,
    )
    app.add_middleware(Observer, metrics=metrics, methods=problems.methods_of(routes) | {"OPTIONS"})
    return app


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
