"""Server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi.responses import StreamingResponse

from emovox.server.service import Service

EVERY = 0.25  # seconds between looks
HEARTBEAT = 10.0  # seconds of silence after which a comment says that the line is alive
CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}


def event(kind: str, data: Any) -> str:
    """One event as text."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(service: Service, look: Callable[[], Awaitable[tuple[str, Any, bool]]]) -> StreamingResponse:
    """Tell what is seen whenever it changes, until it is final or the service stops.

    Args:
        service: whose stop ends the stream; clients connect again.
        look: gives the kind of event, its data, and whether it is the last.
    """

    async def events() -> AsyncIterator[str]:
        last, silent = "", 0.0
        while not service.stopping:
            kind, data, final = await look()
            text = event(kind, data)
            if text != last:
                yield text
                last, silent = text, 0.0
            elif silent >= HEARTBEAT:
                yield ": still here\n\n"
                silent = 0.0
            if final:
                return
            await asyncio.sleep(EVERY)
            silent += EVERY

    return StreamingResponse(events(), media_type="text/event-stream")
