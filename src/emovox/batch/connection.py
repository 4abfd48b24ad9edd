"""The connection to a Ray cluster: an existing one, or a new one on this machine alone."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from emovox.errors import BatchError, ClusterError
from emovox.packages import install
from emovox.silence import import_ray, start_ray

PORT = 10001  # the default for `ray://`
REACH = 10.0  # seconds to reach the cluster
PING = 2.0  # seconds between checks on the head, and for its answer
# Seconds without a head after which the cluster is given up. Some come back; but after 60 s Ray ends the whole
# process without a word, and a `ray://` connection after 30 s.
GRACE = 30.0
AGAIN = "finished recordings are kept; once there is a cluster, run the same command again to resume"


class Connection:
    """A run's connection to a cluster.

    Attributes:
        ray: the package.
        by_client: whether it goes through `ray://`; then the cluster can't be asked while its head is away.
        silent: seconds since the head last responded; 0: it responds.
    """

    def __init__(self, address: str | None, variables: Mapping[str, str]) -> None:
        """Join the cluster.

        Args:
            address: of the cluster; None: what RAY_ADDRESS says, or a new one on this machine.
            variables: environment variables of the workers.

        Raises:
            BatchError: Ray is not installed.
            ClusterError: there is no cluster.
        """
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        options: dict[str, Any] = {
            "runtime_env": {"env_vars": dict(variables)},
            "log_to_driver": False,
            "logging_level": logging.CRITICAL,
        }
        try:
            if address == "local":
                self.ray: Any = start_ray(**options)
            else:
                self.ray = import_ray()
                _reach(address)
                self.ray.init(address=address, **options)
        except ImportError:
            raise BatchError(f"the cluster engine needs one more package: {install('ray[client]')}") from None
        except ClusterError:
            raise
        except Exception as error:  # Ray's exceptions have no narrower base
            raise ClusterError(f"no Ray cluster at {address}: {_one_line(error)}") from error
        self.by_client = address.startswith("ray://")
        self._address = address if self.by_client else self.ray.get_runtime_context().gcs_address
        self.silent = 0.0
        self._lost = False
        self._answered = self._asked = time.monotonic()
        self._excepthook = threading.excepthook
        self._quieten()

    def look(self) -> None:
        """Check now and then whether the head still responds.

        Raises:
            ClusterError: it hasn't for half a minute.
        """
        if (now := time.monotonic()) - self._asked < PING:
            return
        try:
            _connect(self._address, PING)
        except OSError as error:
            self.silent = now - self._answered
            if self.silent > GRACE:
                reason = error.strerror or str(error)
                raise self.lost(
                    f"its head at {self._address} has not responded for {GRACE:.0f} s ({reason})"
                ) from error
        else:
            self._answered, self.silent = now, 0.0
        self._asked = time.monotonic()

    def result(self, call: Any, patience: float) -> Any:
        """The result of a call.

        Raises:
            TimeoutError: there is none after so many seconds.
            ClusterError: the cluster was lost.
        """
        deadline = time.monotonic() + patience
        while not self.ray.wait([call], timeout=PING)[0]:
            self.look()
            if time.monotonic() > deadline:
                raise TimeoutError
        return self.ray.get(call)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A block that calls Ray, and reports it when the connection is lost.

        Raises:
            ClusterError: it has.
        """
        try:
            yield
        except (ConnectionError, self.ray.exceptions.RaySystemError) as error:
            raise self.lost(f"the connection to {self._address} was lost ({_one_line(error)})") from error

    def lost(self, reason: str) -> ClusterError:
        """The error for a lost cluster, which isn't called any more."""
        self._lost = True
        return ClusterError(f"the Ray cluster was lost: {reason}; {AGAIN}")

    def close(self, actors: list[Any]) -> None:
        """End actors and leave the cluster."""
        with suppress(Exception):  # a lost cluster can't be left either
            for actor in [] if self._lost else actors:
                self.ray.kill(actor)
        with suppress(Exception):
            self.ray.shutdown()
        threading.excepthook = self._excepthook

    def _quieten(self) -> None:
        """Silence Ray's reports of workers, nodes and connections that end: all of them are dealt with."""
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("ray"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        with suppress(AttributeError):  # private attributes, which another version may lack
            if self.by_client:
                self.ray.util.client.ray.worker.log_client.disable_logs()
            else:
                self.ray._private.worker.print_to_stdstream = lambda *_, **__: None

        def hook(arguments: Any) -> None:
            trace, modules = arguments.exc_traceback, set()
            while trace is not None:
                modules.add(str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0])
                trace = trace.tb_next
            if not modules & {"grpc", "ray"}:
                self._excepthook(arguments)

        threading.excepthook = hook


def _one_line(error: Exception) -> str:
    """An exception in one line; of a traceback that a server sent along, the last line."""
    text = str(error).strip() or type(error).__name__
    if "Traceback (most recent call last)" in text:
        text = text.splitlines()[-1]
    return " ".join(text.split()).rstrip(".")[:200]


def _reach(address: str) -> None:
    """Refuse an address where nothing answers, which Ray would try for minutes.

    Raises:
        ClusterError: nothing does.
    """
    if address == "auto":
        return
    try:
        _connect(address, REACH)
    except OSError as error:
        raise ClusterError(f"no Ray cluster at {address}: {error.strerror or error}") from error


def _connect(address: str, patience: float) -> None:
    location = address.removeprefix("ray://")
    host, _, port = location.rpartition(":") if location.rpartition(":")[2].isdigit() else (location, "", PORT)
    socket.create_connection((host.strip("[]"), int(port)), timeout=patience).close()
