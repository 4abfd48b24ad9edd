"""Refusals: what the operating system denies a program, and what to say of it."""

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def is_full(error: OSError) -> bool:
    """Whether the disk has no room."""
    return error.errno in FULL or (error.errno is None and " requested and " in str(error))  # NumPy: a short write


def is_exhausted(error: OSError) -> bool:
    """Whether the process or the system has too much open at the moment, which says nothing of the file."""
    return error.errno in EXHAUSTED


def shortage(error: BaseException) -> OSError | None:
    """The refusal behind an exception, if it is for want of room or handles, which is nobody's fault."""
    refusal = behind(error)
    return refusal if refusal is not None and (is_full(refusal) or is_exhausted(refusal)) else None


def reason(error: OSError, remedy: str) -> str:
    """Why a file can't be written, in a few words.

    Args:
        error: what was refused.
        remedy: what helps where neither room nor handles are missing; may be empty.
    """
    if is_full(error):
        return f"the disk is full; free some space{', or ' + remedy if remedy else ''}"
    cause = f"can't be written: {error.strerror or ' '.join(str(error).split()) or type(error).__name__}"
    if is_exhausted(error):
        return f"{cause}; close some programs, or raise the limit (ulimit -n)"
    return f"{cause}; {remedy}" if remedy else cause


def behind(error: BaseException | None) -> OSError | None:
    """The refusal that an exception was raised from, if there is one."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error
