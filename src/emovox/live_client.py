"""A stream to a service, over its WebSocket `/v1/live`: sound out, events in."""

import json
import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.baselines.baseline import Baseline
from emovox.errors import OptionsError, ServiceError, ServiceUnreachableError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.live import STEP, EmotionChanged, Event, LiveUpdate
from emovox.packages import install

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from emovox.inference.options import LiveArguments

PATIENCE = 1.0  # seconds that the events of the latest sound may take
_WORDS = {"notice-needed": "the service's policy demands that who speaks was told: give notice=True if they were"}


class LiveClient:
    """One stream, of 16 kHz, mono; for one thread."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        model: str | None = None,
        notice: bool = False,
        **arguments: "Unpack[LiveArguments]",
    ) -> None:
        """Connect.

        Args:
            url: of the service, http or https.
            key: an API key, where it demands one.
            model: that it is to use; by default its setting.
            notice: whether the speaker was told.
            **arguments: as of `Recognizer.live`; what has a name is the service's own.

        Raises:
            OptionsError: an argument can't be sent, or the package websockets is missing.
            ServiceUnreachableError: the service can't be reached.
        """
        try:
            from websockets.exceptions import WebSocketException  # noqa: PLC0415  only who asks a service needs it
            from websockets.sync.client import connect  # noqa: PLC0415
        except ImportError:
            raise OptionsError(f"a service is asked by the package websockets: {install('websockets')}") from None
        start = _start({"model": model, "notice": notice or None, **arguments})
        self._failures = (WebSocketException, OSError, TimeoutError)
        self._url, self._open = url, ExitStack()
        scheme, host, path, *_ = urlsplit(url)
        if scheme not in {"http", "https"}:
            raise OptionsError(f"{url} is not the address of a service: it begins with http:// or https://")
        address = urlunsplit((scheme.replace("http", "ws"), host, f"{path.rstrip('/')}/v1/live", "events=2", ""))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            connection = connect(address, additional_headers=headers, compression=None, max_queue=None)
            self._socket = self._open.enter_context(connection)
            self._socket.send(json.dumps(start))
        except self._failures as error:
            self._open.close()
            self._fail(error)
        self._sent = 0  # samples
        self._time = 0.0  # of the latest event
        self.baseline: BaselineFacts | None = None
        """What events are relative to, as the service said last."""

    @property
    def warnings(self) -> list[str]:
        """None: the service says them in the end only."""
        return []

    def push(self, samples: Waveform, *, catch_up: bool = False) -> list[Event]:
        """Send sound; returns the events that have come. The service itself sees whether it is late.

        Raises:
            ServiceError: the service refuses, or fails.
            ServiceUnreachableError: the connection broke.
        """
        try:
            self._socket.send(samples.astype("<f4").tobytes())
        except self._failures as error:
            self._receive(until=math.inf)  # why, if the service said so
            self._fail(error)
        self._sent += len(samples)
        return list(self._receive(until=0.0))

    def settle(self) -> list[Event]:
        """Wait for the events of all sound so far, a second at most, however many come. Raises as `push`."""
        return self._receive(until=self._sent // STEP * STEP / SAMPLE_RATE)

    def close(self) -> None:
        """End the stream; the service stores nothing."""
        self._open.close()

    def _receive(self, until: float) -> list[Event]:
        events: list[Event] = []
        latest = time.monotonic() + PATIENCE
        while True:
            patience = max(0.0, latest - time.monotonic()) if self._time < until else 0
            try:
                message = json.loads(self._socket.recv(timeout=patience))
            except TimeoutError:
                return events
            except self._failures as error:
                self._fail(error)
            events += self._read(message)

    def _read(self, message: dict[str, Any]) -> list[Event]:
        match message["type"]:
            case "update":
                self._time = message["time"]
                return [LiveUpdate.model_validate(message)]
            case "emotion_changed":
                return [EmotionChanged.model_validate(message)]
            case "baseline":
                self.baseline = BaselineFacts.model_validate(message["baseline"])
            case "problem":
                problem = message["problem"]
                words = _WORDS.get(problem["type"].rpartition(":")[2], problem["detail"])
                raise ServiceError(problem["status"], problem["type"], words)
        return []

    def _fail(self, error: Exception) -> NoReturn:
        reason = str(error) or type(error).__name__
        raise ServiceUnreachableError(
            f"{self._url} can't be reached ({reason}): is `emovox serve` running?"
        ) from error


def _start(arguments: dict[str, Any]) -> dict[str, Any]:
    """The first message."""
    message: dict[str, Any] = {"sample_rate": SAMPLE_RATE, "format": "f32", "channels": 1}
    for name, value in arguments.items():
        if isinstance(value, Baseline) or (name == "head" and not isinstance(value, (str, type(None)))):
            raise OptionsError(f"a service has its own: give the name of a {name} there")
        if value is not None:
            message[name] = _text(value)
    return message


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return ",".join(f"{key}={share}" for key, share in value.items())
    return value if isinstance(value, (str, bool)) else ",".join(value)
