import logging
from pathlib import Path

import pytest

from emovox.server.logs import LIMIT, PERIOD, RepeatFilter, set_up
from support.service import ServiceProcess


def lines(filter_: RepeatFilter, *messages: str, line: int = 1) -> list[str]:
    records = [logging.LogRecord("x", logging.INFO, "x.py", line, message, ("a",), None) for message in messages]
    return [record.getMessage() for record in records if filter_.filter(record)]


def test_what_comes_again_and_again_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("emovox.server.logs.time.monotonic", lambda: now)
    filter_ = RepeatFilter()
    assert lines(filter_, *["%s went"] * 1000) == ["a went"] * LIMIT
    assert lines(filter_, "%s went", line=2) == ["a went"]
    now += PERIOD
    assert lines(filter_, "%s went", "%s went") == [f"a went (and {1000 - LIMIT} more times)", "a went"]
    now += PERIOD
    assert lines(filter_, "%s went") == ["a went"]


def test_handlers_of_others_are_left_alone() -> None:
    before = list(logging.getLogger().handlers)
    assert before, "pytest has its own"
    set_up()
    assert logging.getLogger().handlers == before
    assert not any(isinstance(each, RepeatFilter) for handler in before for each in handler.filters)


def test_a_service_greets_in_one_line(tmp_path: Path) -> None:
    process = ServiceProcess(tmp_path / "outputs")
    process.wait_until_ready()
    assert process.end() == 0
    assert len(process.log) == 1
    assert process.log[0].startswith("Emovox listens on http://localhost:")
