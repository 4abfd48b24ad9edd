"""Silence: other people's packages, imported so that they report nothing to their makers.

ONNX Runtime, OpenVINO and Ray each send home what they are used for. Whoever needs one of them gets it here, and
nowhere else. The program around stays as it was: neither its environment, which its child processes inherit, nor
`sys.modules` is changed for longer than an import takes. One that has imported a package before has chosen itself.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from secrets import token_hex
from typing import Any

_one_at_a_time = threading.RLock()  # the environment and `sys.modules` belong to the process


def import_onnxruntime() -> Any:
    """ONNX Runtime, which reads the variable when it is loaded and never again."""
    with _environment(ORT_DISABLE_TELEMETRY="1"):
        return import_module("onnxruntime")


def import_openvino() -> Any:
    """OpenVINO, which keeps silent where its package of telemetry isn't installed."""
    name = "openvino_telemetry"
    with _one_at_a_time:
        before = {key: sys.modules.pop(key) for key in list(sys.modules) if key.split(".")[0] == name}
        sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
        try:
            return import_module("openvino")
        finally:
            del sys.modules[name]
            sys.modules.update(before)


def import_ray() -> Any:
    """Ray. A call after a connection was lost must not start a cluster by itself, as Ray would have it."""
    with without_reports(), _environment(RAY_ENABLE_AUTO_CONNECT="0"):
        return import_module("ray")


def trace_nothing() -> None:
    """Let no variable of the environment have the MCP SDK's spans sent to a collector; before that is imported.

    For the whole process, which is to serve assistants and nothing else.
    """
    trace = import_module("opentelemetry.trace")
    trace.set_tracer_provider(trace.NoOpTracerProvider())


@contextmanager
def without_reports() -> Iterator[None]:
    """The block in which a Ray cluster is started: its processes inherit that it reports nothing.

    Not even that it reports nothing, which Ray would, to the address that is put out of use here. A cluster that
    somebody else has started does what it was told when it was.
    """
    with _environment(RAY_USAGE_STATS_ENABLED="0", RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9"):
        yield


def start_ray(**options: Any) -> Any:
    """Start a Ray cluster of this machine alone, which ends with this program, and join it; gives Ray.

    It listens on the loopback interface, and its key is known to its processes only: Ray would listen wherever it
    can be reached, and keep a key in the home directory. Nor is there a dashboard, whose process asks the clouds
    whose machine this is before it sees that it must not report.
    """
    with without_reports(), _environment(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_AUTH_TOKEN=token_hex(32)):
        ray = import_ray()
        node = import_module("ray._private.node").Node
        start, node.start_api_server = node.start_api_server, lambda self, **_: setattr(self, "_webui_url", None)
        try:
            ray.init(address="local", include_dashboard=False, **options)
        finally:
            node.start_api_server = start
    return ray


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    with _one_at_a_time:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
