"""Transient errors: they pass by themselves, so a job that runs into one is retried later."""

import re

from emovox.archive.database import is_away
from emovox.errors import DecoderError, EmovoxError, ModelError, OutputsError
from emovox.server.http.problems import Problem

# What ONNX Runtime, OpenVINO ("can't alloc"), CUDA and Python say.
_NO_MEMORY = re.compile(
    r"alloc|(out of|not enough|insufficient|no) memory|can't start new thread|resource temporarily unavailable",
    re.IGNORECASE,
)


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed; if not, the recording is at fault, or its options."""
    if isinstance(error, Problem):
        return error.status in {503, 507}
    if isinstance(error, EmovoxError):
        return isinstance(error, (OutputsError, DecoderError)) or _lacks_memory(error)
    return isinstance(error, OSError) or is_away(error) or _lacks_memory(error)


def is_database_away(error: BaseException) -> bool:
    """Whether the database is unavailable, or didn't answer in time."""
    return is_away(error) or (isinstance(error, Problem) and error.kind == "database")


def _lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory was short, for a model or for a thread."""
    if isinstance(error, EmovoxError) and not isinstance(error, ModelError):
        return False  # its words may be those of a file's name
    return isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None
