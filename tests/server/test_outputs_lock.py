import os
import shutil
import stat
from pathlib import Path

import pytest

from emovox.errors import SettingsError
from emovox.server.outputs_lock import OutputsLock


def test_one_at_a_time(tmp_path: Path) -> None:
    lock = OutputsLock(tmp_path / "a" / "service")
    with pytest.raises(SettingsError, match="another service is using the outputs"):
        OutputsLock(tmp_path / "a" / "service")
    lock.release()
    OutputsLock(tmp_path / "a" / "service").release()


@pytest.mark.parametrize("what", ["lock", "service", "a"])
def test_what_is_deleted_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str) -> None:
    directory = tmp_path / "a" / "service"
    lock = OutputsLock(directory)
    lock.check()
    assert caplog.text == ""
    if what == "lock":
        (directory / "lock").unlink()
    else:
        shutil.rmtree(directory if what == "service" else tmp_path / "a")
    lock.check()
    assert "was deleted while the service was running: created it again" in caplog.text
    with pytest.raises(SettingsError):
        OutputsLock(directory)
    lock.check()
    assert len(caplog.records) == 1
    lock.release()


@pytest.mark.skipif(os.name != "posix", reason="Windows has rights of its own")
@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o2775, 0o2775)])
def test_what_an_older_version_made_is_closed(tmp_path: Path, before: int, after: int) -> None:
    (tmp_path / ".emovox").mkdir()
    (tmp_path / ".emovox").chmod(before)
    OutputsLock(tmp_path / ".emovox" / "service").release()
    assert stat.S_IMODE((tmp_path / ".emovox").stat().st_mode) == after


def test_another_took_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = OutputsLock(tmp_path / "service")
    shutil.rmtree(tmp_path / "service")
    other = OutputsLock(tmp_path / "service")
    for _ in range(3):
        lock.check()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "another service is using the outputs: stop one" in caplog.text
    other.check()
    other.release()
    lock.check()
    assert "created it again" in caplog.text
    with pytest.raises(SettingsError):
        OutputsLock(tmp_path / "service")
    lock.release()


def test_a_place_where_nothing_can_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = OutputsLock(tmp_path / "a" / "service")
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").write_text("a file")
    lock.check()
    assert "can't be created again" in caplog.text
    (tmp_path / "a").unlink()
    lock.check()
    assert "created it again" in caplog.text
    lock.release()
