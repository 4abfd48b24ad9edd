"""Server-sent events: the same for all who follow one thing, and polled rarely where nothing changes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from emovox.server.http.problems import from_error
from emovox.server.polls import Poll
from emovox.server.service import Service

EVERY, RAREST = 0.25, 2.0  # seconds between polls: of what changes, and of what doesn't
HEARTBEAT = 10.0  # seconds of silence after which a comment says that the line is alive
CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}


def event(kind: str, data: Any) -> str:
    """One event as text."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(service: Service, poll: Poll, *, key: str | None = None) -> StreamingResponse:
    """Send an event whenever it changes, until the last, or until what it is of is gone, or the service stops.

    Args:
        service: whose stop ends the stream; clients connect again.
        poll: gives the event of this moment.
        key: of the polls that clients share.
    """

    async def events() -> AsyncIterator[str]:
        last, told, pause = "", time.monotonic(), EVERY
        while not service.stopping:
            text, final = last, False
            try:
                kind, data, final = await (service.polls.share(key, poll) if key else poll())
                text = event(kind, data)
            except Exception as error:
                if from_error(error).status != 503:  # it was deleted; otherwise it can't be known just now
                    return
            if text != last:
                yield text
                last, told, pause = text, time.monotonic(), EVERY
            elif time.monotonic() - told >= HEARTBEAT:
                yield ": still here\n\n"
                told = time.monotonic()
            if final:
                return
            await asyncio.sleep(pause)
            pause = min(RAREST, 1.25 * pause)

    return StreamingResponse(events(), media_type="text/event-stream")
