"""The service's log: lines on standard error, and none of them a thousand times."""

import logging
import time

OFTEN = 5  # times that a line may come in a while
WHILE = 60.0  # seconds


class Seldom(logging.Filter):
    """Leaves out what comes again and again: a client that does something wrong may do it for ever.

    Lines are the same if the same place in the program wrote them, of the same kind of error.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; the first after others that weren't says how many those were."""
        error = record.exc_info[0] if record.exc_info else None
        line, now = (record.pathname, record.lineno, error), time.monotonic()
        since, count = self._seen.get(line, (now, 0))
        if now - since < WHILE:
            self._seen[line] = since, count + 1
            return count < OFTEN
        self._seen[line] = now, 1
        if count > OFTEN:
            record.msg, record.args = f"{record.getMessage()} (and {count - OFTEN} times more)", None
        return True


def set_up() -> None:
    """Write the log of this process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("alembic", "httpx", "uvicorn.error"):  # the greeting says all that there is to say
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
