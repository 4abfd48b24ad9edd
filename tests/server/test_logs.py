import logging

import pytest

from emovox.server.logs import OFTEN, WHILE, Seldom


def lines(filter_: Seldom, *messages: str, line: int = 1) -> list[str]:
    records = [logging.LogRecord("x", logging.INFO, "x.py", line, message, ("a",), None) for message in messages]
    return [record.getMessage() for record in records if filter_.filter(record)]


def test_what_comes_again_and_again_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("emovox.server.logs.time.monotonic", lambda: now)
    seldom = Seldom()
    assert lines(seldom, *["%s went"] * 1000) == ["a went"] * OFTEN
    assert lines(seldom, "%s went", line=2) == ["a went"]
    now += WHILE
    assert lines(seldom, "%s went", "%s went") == [f"a went (and {1000 - OFTEN} times more)", "a went"]
    now += WHILE
    assert lines(seldom, "%s went") == ["a went"]
