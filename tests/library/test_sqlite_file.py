import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from emovox.errors import DatabaseGoneError
from emovox.library.database import open_database


def ask(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE x (y)")
    connection.close()


@pytest.mark.parametrize("again", [False, True])
def test_one_that_is_deleted_is_missed(tmp_path: Path, again: bool) -> None:
    file = tmp_path / "a" / "some.db"
    engine = open_database(file)
    with engine.connect() as connection:  # which goes back to the pool
        connection.execute(text("SELECT 1"))
    shutil.rmtree(file.parent)
    if again:  # another one in its place
        file.parent.mkdir()
        ask(file)
    for _ in range(3):
        with pytest.raises(DatabaseGoneError, match="is another file than it was" if again else "is gone"):
            engine.connect()
    assert file.exists() == again
    engine.dispose()
    with pytest.raises(DatabaseGoneError):  # and by new connections
        engine.connect()
    engine.dispose()


def test_one_that_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    engine = open_database(file)
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(DatabaseGoneError):
        engine.connect()
    (tmp_path / "elsewhere").rename(file)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
    engine.dispose()
