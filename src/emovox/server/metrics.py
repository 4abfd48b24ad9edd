"""Metrics: what the service measures of itself, for Prometheus."""

import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emovox.server.service import Service


class Metrics:
    """The metrics of one app."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "emovox_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "emovox_request_seconds",
            "From a request's headers to the end of its response.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
            registry=self.registry,
        )
        self.registry.register(_ServiceCollector(service))


class _ServiceCollector(Collector):
    """Metrics that are read from the service at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        scheduler, models = self._service.scheduler, self._service.models
        yield GaugeMetricFamily(
            "emovox_queue_length",
            "Recordings being decoded, waiting for a model, or in one.",
            self._service.admission.count,
        )
        yield GaugeMetricFamily("emovox_uploads", "Uploads being received.", self._service.receiving)
        yield GaugeMetricFamily("emovox_live_streams", "Live streams.", self._service.streams)
        yield GaugeMetricFamily("emovox_jobs_waiting", "Jobs waiting to run.", self._service.waiting)
        up = GaugeMetricFamily("emovox_up", "1: well; 0: failing, and retried.", labels=["task"])
        supervision = self._service.supervision
        failures = supervision.failures()
        for task in sorted({*supervision.names(), *failures}):
            up.add_metric([task], float(task not in failures))
        yield up
        lag, self._service.lag = self._service.lag, 0.0
        yield GaugeMetricFamily("emovox_event_loop_lag_seconds", "The worst since the last scrape.", lag)
        yield CounterMetricFamily("emovox_audio_seconds", "Audio inferred.", scheduler.sound_seconds)
        yield CounterMetricFamily(
            "emovox_inference_seconds", "Time that threads spent on inference.", scheduler.busy_seconds
        )
        yield GaugeMetricFamily(
            "emovox_real_time_factor",
            "Seconds of inference for each second of audio.",
            scheduler.busy_seconds / max(scheduler.sound_seconds, 1e-9),
        )
        loaded = GaugeMetricFamily("emovox_model_loaded", "Models in memory.", labels=["model"])
        for name in models.names():
            loaded.add_metric([name], 1)
        yield loaded
        if (resident := _resident()) is not None:
            yield GaugeMetricFamily("emovox_memory_bytes", "Resident memory, models included.", resident)


class Observer:
    """Counts and times requests; it is outermost, so that refused ones count."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, methods: Collection[str]) -> None:
        self._app, self._metrics, self._methods = app, metrics, frozenset(methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")  # one of ours, never what a client wrote
            method = scope["method"] if scope["method"] in self._methods else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - started)


def _resident() -> int | None:
    """Bytes of memory that this process holds, if the system says so in /proc."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
