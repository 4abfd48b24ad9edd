"""Server-sent events: shared by all clients that follow one thing, and polled rarely while nothing changes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from emovox.server.http.problems import from_error
from emovox.server.polls import Poll
from emovox.server.service import Service

EVERY, RAREST = 0.25, 2.0  # seconds between polls: while it changes, and while it doesn't
HEARTBEAT = 10.0  # seconds of silence after which a comment shows that the connection is alive
CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}


def event(kind: str, data: Any) -> str:
    """One event as text."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(service: Service, poll: Poll, *, key: str | None = None) -> StreamingResponse:
    """Send an event whenever it changes, until it is the last, its subject is deleted, or the service stops.

    Args:
        service: when it stops the stream ends; clients connect again.
        poll: gives the current event.
        key: clients with the same one share polls.
    """

    async def events() -> AsyncIterator[str]:
        previous, sent_at, pause = "", time.monotonic(), EVERY
        while not service.stopping:
            text, final = previous, False
            try:
                kind, data, final = await (service.polls.share(key, poll) if key else poll())
                text = event(kind, data)
            except Exception as error:
                if from_error(error).status != 503:  # 503: it can't be read just now; else it was deleted
                    return
            if text != previous:
                yield text
                previous, sent_at, pause = text, time.monotonic(), EVERY
            elif time.monotonic() - sent_at >= HEARTBEAT:
                yield ": still here\n\n"
                sent_at = time.monotonic()
            if final:
                return
            await asyncio.sleep(pause)
            pause = min(RAREST, 1.25 * pause)

    return StreamingResponse(events(), media_type="text/event-stream")
