import errno
import os
import shutil
from pathlib import Path

import pytest

from emovox.server.http.problems import Problem
from emovox.server.http.uploads import Uploads


def upload(uploads: Uploads, size: int) -> str:
    token, file = uploads.create()
    with file:
        uploads.grow(token, size)
        file.write(bytes(size))
    return token


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", most=1000)


def test_they_take_no_more_of_the_disk_than_they_may(uploads: Uploads) -> None:
    one = upload(uploads, 600)
    with pytest.raises(Problem) as caught:
        upload(uploads, 401)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "10", "Connection": "close"})
    with pytest.raises(Problem):
        uploads.check(401)
    uploads.check(400)
    uploads.remove(one)
    uploads.remove(one)  # which changes nothing
    assert uploads.size == 0
    upload(uploads, 1000)


@pytest.mark.parametrize("links", [True, False])
def test_another_token_for_the_same(uploads: Uploads, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    one = upload(uploads, 300)
    two, three = uploads.duplicate(one), uploads.duplicate(one)
    assert uploads.size == (300 if links else 900)
    uploads.remove(one)
    uploads.remove(two)
    assert uploads.size == 300
    assert uploads.path(three).read_bytes() == bytes(300)
    if not links:
        upload(uploads, 500)
        with pytest.raises(Problem) as caught:
            uploads.duplicate(three)
        assert caught.value.status == 503
        assert len(list(uploads.directory.iterdir())) == 2
    uploads.remove(three)
    assert uploads.size == (0 if links else 500)


def test_a_restart_knows_what_they_take(uploads: Uploads) -> None:
    kept, left = upload(uploads, 300), upload(uploads, 300)
    other = uploads.duplicate(kept)
    fresh = Uploads(uploads.directory, most=1000)
    fresh.sweep({kept, other})
    assert (fresh.size, fresh.path(left).exists()) == (300, False)
    fresh.remove(kept)
    fresh.remove(other)
    assert fresh.size == 0


def test_a_directory_that_is_deleted_is_made_again(uploads: Uploads, caplog: pytest.LogCaptureFixture) -> None:
    token = upload(uploads, 10)
    shutil.rmtree(uploads.directory)
    for method in (uploads.find, uploads.duplicate, uploads.keep):
        with pytest.raises(Problem) as caught:
            method(token)
        assert (caught.value.status, caught.value.kind) == (500, "upload-lost")
    other = upload(uploads, 10)
    assert "was deleted while the service was running" in caplog.text
    assert uploads.find(other).read_bytes() == bytes(10)
    uploads.remove(token)
    assert uploads.size == 10
    shutil.rmtree(uploads.directory)
    uploads.sweep(set())
    assert uploads.directory.is_dir()


def test_files_that_are_nobody_elses(uploads: Uploads) -> None:
    assert uploads.path(upload(uploads, 1)).stat().st_mode & 0o077 == 0
    assert uploads.directory.stat().st_mode & 0o077 == 0
