"""The service's log: lines on standard error, none of them repeated a thousand times."""

import logging
import time

LIMIT = 5  # times that a line may occur within
PERIOD = 60.0  # seconds


class RepeatFilter(logging.Filter):
    """Drops lines that repeat: a client that makes a mistake may make it for ever.

    Two lines are the same if the same place in the program wrote them, about the same kind of error.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[tuple[str, int, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; the first after dropped ones says how many were dropped."""
        error = record.exc_info[0] if record.exc_info else None
        line, now = (record.pathname, record.lineno, error), time.monotonic()
        since, count = self._lines.get(line, (now, 0))
        if now - since < PERIOD:
            self._lines[line] = since, count + 1
            return count < LIMIT
        self._lines[line] = now, 1
        if count > LIMIT:
            record.msg, record.args = f"{record.getMessage()} (and {count - LIMIT} more times)", None
        return True


def set_up() -> None:
    """Set up this process's log."""
    handler = logging.StreamHandler()
    handler.addFilter(RepeatFilter())  # of this handler alone: others, where there are any, are their owners'
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=[handler]
    )
    for name in ("alembic", "httpx", "uvicorn.error"):  # the greeting says all there is to say
        logging.getLogger(name).setLevel(logging.WARNING)
