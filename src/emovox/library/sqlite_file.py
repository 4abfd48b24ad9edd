"""The file of an SQLite database: its owner's alone, and missed when it is gone.

SQLite itself misses nothing. When somebody deletes the file, open connections go on in one that nobody finds
again, and new ones begin an empty one in its place.
"""

from pathlib import Path

from sqlalchemy import Engine, event

from emovox import private
from emovox.errors import DatabaseGoneError


def make(file: Path) -> None:
    """Make the file, unless it is there.

    Raises:
        OSError: it can't be made.
    """
    private.make_directory(file.parent)
    private.touch(file)


def watch(engine: Engine, file: Path) -> None:
    """Let nobody connect any more, with DatabaseGoneError, once the file isn't the one that it is now.

    Raises:
        OSError: it isn't there.
    """
    facts = file.stat()
    identity = facts.st_dev, facts.st_ino

    def check(*_: object) -> None:
        try:
            now = file.stat()
        except OSError as error:
            raise DatabaseGoneError(_words(file, f"is gone ({error.strerror})")) from error
        if (now.st_dev, now.st_ino) != identity:
            raise DatabaseGoneError(_words(file, "is another file than it was"))

    event.listen(engine, "do_connect", check)
    event.listen(engine, "checkout", check)


def _words(file: Path, what: str) -> str:
    return f"{file} {what}: put it back where it was, or start anew, with what is there then"
