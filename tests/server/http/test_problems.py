"""Which problem an exception is answered as."""

import errno
import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from emovox.errors import DecoderError, EmovoxError, OutputsError, UnreadableAudioError
from emovox.server.http.problems import from_error, from_refusal


def raised_from(kind: type[EmovoxError], code: int) -> Exception:
    try:
        try:
            raise OSError(code, os.strerror(code), "/secret/path")
        except OSError as error:
            raise kind(f"/secret/path: {error}") from error
    except kind as error:
        return error


@pytest.mark.parametrize("kind", [OutputsError, DecoderError, UnreadableAudioError])
def test_too_many_open_files_pass(kind: type[EmovoxError]) -> None:
    for error in (raised_from(kind, errno.EMFILE), OSError(errno.ENFILE, "x")):
        problem = from_error(error)
        assert (problem.status, problem.kind) == (503, "busy")
        assert int(problem.headers["Retry-After"]) > 0
        assert "full" not in problem.detail
        assert "secret" not in problem.detail


@pytest.mark.parametrize("kind", [OutputsError, DecoderError])
def test_only_a_full_disk_is_full(kind: type[EmovoxError]) -> None:
    full = from_error(raised_from(kind, errno.ENOSPC))
    assert (full.status, full.kind, full.detail) == (507, "storage", "the disk is full")
    for code in (errno.ENOENT, errno.EACCES, errno.EIO):
        for problem in (from_error(raised_from(kind, code)), from_refusal(OSError(code, "x"))):
            assert problem.status in {500, 503}
            assert "full" not in problem.detail
            assert "secret" not in problem.detail


def test_a_database_that_isn_t_there_passes(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/nowhere/x.db")
    with pytest.raises(SQLAlchemyError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    problem = from_error(caught.value)
    assert (problem.status, problem.kind, "Retry-After" in problem.headers) == (503, "database", True)
    engine.dispose()
