import json
import multiprocessing
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import emovox
from emovox import use_log
from emovox.settings import settings


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOVOX_USE_LOG", str(tmp_path / "log" / "use.jsonl"))
    settings.cache_clear()
    return tmp_path / "log" / "use.jsonl"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def some(path: Path, count: int = 5) -> list[bytes]:
    for number in range(count):
        use_log.log("recognized", recordings=[f"{number:064x}"], model="lite 5.3", side=None)
    return lines(path)


def test_without_a_log_nothing_is_written(tmp_path: Path) -> None:
    use_log.log("read", command="emovox archive list")
    assert list(tmp_path.iterdir()) == []


def test_entries_say_who_and_what_and_are_chained(path: Path) -> None:
    with use_log.by("key 7c"):
        use_log.log("recognized", recordings=["ab"], model="lite 5.3", outcome="inferred")
    use_log.log("deleted", outputs=[f"outputs_{number}" for number in range(101)])
    first, second = map(json.loads, lines(path))
    assert (first["number"], first["who"], first["action"], first["recordings"]) == (
        1,
        "key 7c",
        "recognized",
        ["ab"],
    )
    assert (first["model"], first["outcome"], first["previous"]) == ("lite 5.3", "inferred", "0" * 64)
    assert second["who"].startswith("account")
    assert (second["outputs_count"], "outputs" in second, second["previous"]) == (101, False, first["sha256"])
    assert use_log.verify(path) == use_log.Verification(2, second["sha256"], ())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.data())
def test_whatever_is_changed_breaks_the_chain(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of any line changed, taken out, doubled or moved something is said; but not of lines cut off at the end."""
    path = tmp_path_factory.mktemp("log") / "use.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOVOX_USE_LOG", str(path))
        settings.cache_clear()
        whole = some(path)
    settings.cache_clear()
    changed = list(whole)
    at = data.draw(st.integers(0, 3))
    match data.draw(st.sampled_from(["edit", "remove", "double", "swap", "cut"])):
        case "edit":
            index = data.draw(st.integers(0, len(whole[at]) - 2))
            byte = data.draw(st.integers(32, 126))
            changed[at] = whole[at][:index] + bytes([byte]) + whole[at][index + 1 :]
        case "remove":
            del changed[at]
        case "double":
            changed.insert(at, whole[at])
        case "swap":
            changed[at], changed[at + 1] = changed[at + 1], changed[at]
        case _:
            del changed[at + 1 :]
            assert len(changed) < len(whole)
            path.write_bytes(b"".join(changed))
            assert use_log.verify(path).faults == ()  # nothing is seen of it, but by who noted the last checksum
            assert use_log.verify(path, json.loads(whole[-1])["sha256"]).contains is False
            assert use_log.verify(path, json.loads(whole[0])["sha256"]).contains is True
            return
    path.write_bytes(b"".join(changed))
    assert bool(use_log.verify(path).faults) == (changed != whole)


def test_a_line_that_broke_off_stays_and_the_chain_goes_on(path: Path) -> None:
    whole = some(path)
    path.write_bytes(b"".join(whole) + b'{"number": 6, "at": "20')
    use_log.log("read")
    assert lines(path)[:5] == whole
    result = use_log.verify(path)
    assert (result.count, result.faults) == (
        6,
        ("line 6 is no entry: it broke off while it was written, or was changed",),
    )


def _write(path: str, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOVOX_USE_LOG", path)
        settings.cache_clear()
        for _ in range(count):
            use_log.log("read")


def test_processes_that_log_at_once_make_one_chain(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(str(path), 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    result = use_log.verify(path)
    assert (result.count, result.faults) == (60, ())


def test_what_cannot_be_logged_is_not_done(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(emovox.UseLogError, match="so nothing is given"):
        use_log.log("read")
    with pytest.raises(emovox.UseLogError, match="can't be read"):
        use_log.verify(path)
