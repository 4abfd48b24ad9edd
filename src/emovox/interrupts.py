"""Interrupts: what Ctrl-C does to the program while it loads, while it works, and while it ends.

An exception that is raised within an import is a traceback where nobody catches it, another error where a module
in C makes one of it, and lost in a destructor. So the program ends at once where nothing is at stake: before a
command begins, and after it. Nothing that takes time to import may be imported here.
"""

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CODE = 130  # of the exit, as shells have it: 128 + SIGINT

_came = False


def end_at_once() -> None:
    """From now on an interrupt ends this process, which says so in a line, and runs nothing more.

    Where interrupts are ignored, as in the background of a shell's script, they stay so.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        sys.unraisablehook = _end_or_tell
        # Registered first, so done last: then the interpreter is taken apart, and a signal would kill it.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    if handler in {signal.default_int_handler, _raise}:
        signal.signal(signal.SIGINT, _end)


def raise_from_now_on() -> None:
    """From now on an interrupt is a `KeyboardInterrupt` in the main thread: there is something to clean up.

    Only where `end_at_once` was called: a program that uses the command line as a library has its own handler.
    """
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _raise)


@contextmanager
def seen_through() -> Iterator[None]:
    """A block in which another error that an interrupt has become is that interrupt again.

    Raises:
        KeyboardInterrupt: there was an interrupt, and the block failed.
    """
    try:
        yield
    except Exception as error:
        if _came:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def kept_from_children() -> Iterator[None]:
    """A block in which processes are started that no interrupt reaches; what comes meanwhile, comes afterwards.

    Also while such a process starts, and can't say yet that it ignores them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # noqa: PLC0415  takes a while to load

    resource_tracker.ensure_running()  # which is started with the first process, and then lets interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(*_: object) -> None:
    with suppress(OSError):
        os.write(2, b"\ninterrupted\n" if os.isatty(2) else b"interrupted\n")  # after the terminal's ^C
    os._exit(CODE)


def _raise(*_: object) -> None:
    global _came  # noqa: PLW0603  there is one process
    _came = True
    raise KeyboardInterrupt


def _end_or_tell(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interrupt in a destructor would be lost, and what is left of it a traceback."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _end()
    sys.__unraisablehook__(unraisable)
