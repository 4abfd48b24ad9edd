from collections.abc import Iterator

import pytest

from emovox.server.database import open_database
from emovox.server.http.problems import Problem
from emovox.server.keys import LATE, STALE, Keys


@pytest.fixture
def keys(database: str) -> Iterator[Keys]:
    engine = open_database()
    yield Keys(engine)
    engine.dispose()


def test_a_check_waits_for_no_database(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys.add("ann")
    (known,) = keys.all()
    keys._engine.dispose()
    monkeypatch.setattr(keys, "_engine", None)
    assert keys.check(key) == known.id
    assert keys.check(key + "x") is None
    assert keys.check("") is None


def test_while_the_database_is_away(keys: Keys) -> None:
    """Who is known is let in for a while, who isn't may be a new one; in the end it can't be said of anybody."""
    key = keys.add("ann")
    keys._refreshed -= LATE + 1
    assert keys.check(key) == keys.all()[0].id
    with pytest.raises(Problem) as caught:
        keys.check("emovox_a_b")
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "5")
    keys._refreshed -= STALE
    with pytest.raises(Problem) as caught:
        keys.check(key)
    assert caught.value.status == 503
    keys.refresh()
    assert keys.check(key) is not None
    assert keys.check("emovox_a_b") is None


def test_another_process_adds_and_removes_keys(keys: Keys) -> None:
    other = Keys(keys._engine)
    other.refresh()
    key = keys.add("ann")
    assert other.check(key) is None
    other.refresh()
    assert other.check(key) is not None
    assert keys.remove(keys.all()[0].id)
    assert keys.check(key) is None
    other.refresh()
    assert other.check(key) is None
