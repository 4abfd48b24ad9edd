"""Background tasks; and a service in troubles that pass: it says so, loses nothing, and is well again later."""

import asyncio
import contextlib
import logging
import os
import re
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from anyio import fail_after

from emovox.archive.database import PATIENCE
from emovox.errors import ModelError
from emovox.inference.model_pool import ModelPool
from emovox.server import supervision as module
from emovox.server.disk import RESERVE
from emovox.server.supervision import Supervision
from support.service import ServiceProcess, serving
from support.waiting import until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.004)


async def _nothing() -> None:
    await asyncio.sleep(0.001)


async def _until(true: Callable[[], object]) -> None:
    with fail_after(60):
        while not true():
            await asyncio.sleep(0.001)


@pytest.mark.usefixtures("quick")
def test_a_task_that_fails_goes_on_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rounds, broken = 0, False

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if broken:
            raise OSError("no luck")

    async def main() -> None:
        nonlocal broken
        supervision = Supervision()
        supervision.start("work", work, rest=_nothing)
        await _until(lambda: rounds > 2)
        assert supervision.failures() == {}
        broken = True
        await _until(supervision.failures)
        assert list(supervision.failures()) == ["work"]
        before = rounds
        await _until(lambda: rounds > before + 9)
        broken = False
        await _until(lambda: not supervision.failures())
        await supervision.close()

    with caplog.at_level(logging.INFO, "emovox.server"):
        asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("work:")]
    assert len(lines) == 2  # however often it failed
    assert lines[0].endswith("; retrying")
    assert "well again" in lines[1]


@pytest.mark.usefixtures("quick")
def test_what_is_done_once_is_tried_until_it_is_done() -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise ValueError

    async def main() -> None:
        supervision = Supervision()
        supervision.start("work", work)
        await _until(lambda: tries == 4 and not supervision.failures())
        await asyncio.sleep(0.05)
        await supervision.close()

    asyncio.run(main())
    assert tries == 4


@pytest.mark.usefixtures("quick")
def test_what_lasts_and_ends_is_begun_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    now, begun = 0.0, 0

    async def work() -> None:
        nonlocal now, begun
        begun += 1
        now += 100_000  # seconds for which it went well
        raise OSError

    async def main() -> None:
        supervision = Supervision()
        supervision.start("work", work, lasting=True)
        await _until(lambda: begun > 5)
        assert list(supervision.failures()) == ["work"]
        supervision.well("work")  # it says so itself, when it gets that far
        assert supervision.failures() == {}
        await supervision.close()

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    asyncio.run(main())


def test_a_round_that_never_ends_is_a_failure() -> None:
    async def main() -> None:
        supervision, hangs = Supervision(), asyncio.Event()
        supervision.start("work", hangs.wait, rest=_nothing, patience=0.02)
        await _until(supervision.failures)
        assert "no answer" in supervision.failures()["work"]
        hangs.set()
        await _until(lambda: not supervision.failures())
        await supervision.close()

    asyncio.run(main())


def test_a_model_that_cannot_be_loaded_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    borrow, broken = ModelPool.borrow, True

    @contextlib.contextmanager
    def refusing(self: ModelPool, choice: Any) -> Iterator[Any]:
        if broken:
            raise ModelError("/secret/model.onnx: bad allocation")
        with borrow(self, choice) as recognizer:
            yield recognizer

    monkeypatch.setattr(ModelPool, "borrow", refusing)

    def waits(client: httpx.Client) -> None:
        nonlocal broken
        answer = client.get("/readyz")
        if answer.status_code == 503 and "loading the model: " in answer.text:
            assert "secret" not in answer.text
            broken = False

    with serving(tmp_path / "outputs", looking=waits) as client:
        assert not broken  # it was seen, and is over
        assert client.post_file(examples[0]).status_code == 200


def limit(pid: int, kind: int, value: int) -> int:
    """Set a limit of a process that runs; gives what it was."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (value, hard))
    return soft


def fill(path: Path) -> None:
    """Leave no room on a disk."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(file, bytes(2**16))
    os.close(file)


class Troubled(ServiceProcess):
    """A service that gets into trouble. Whatever a test has done to it, it is well again in the end.

    Attributes:
        outputs: where its outputs go.
        database: the file of its database.
    """

    def __init__(self, outputs: Path) -> None:
        super().__init__(outputs, inference_threads=1)
        self.outputs = outputs
        self.database = outputs / ".emovox/service/service.db"

    def post(self, path: Path) -> httpx.Response:
        headers = {"Prefer": "respond-async"}
        return self.client.post("/v1/recognitions", content=path.read_bytes(), headers=headers)

    def accepted(self, *paths: Path) -> list[str]:
        """The jobs that these become."""
        return [self.post(path).json()["id"] for path in paths]

    def view(self, id_: str) -> dict[str, Any]:
        view: dict[str, Any] = self.client.get(f"/v1/jobs/{id_}").json()
        return view

    def is_down(self) -> bool:
        answer = self.client.get("/readyz")
        return answer.status_code == 503 and answer.headers["retry-after"] == "5"

    def check(self, ids: list[str]) -> None:
        """All jobs are done, each into outputs of its own, and everything is well."""
        views = [self.client.finished(id_) for id_ in ids]
        assert {(view["state"], view["problem"] and view["problem"]["detail"]) for view in views} == {
            ("done", None)
        }
        assert len({view["output"] for view in views}) == len(ids)
        self.wait_until_ready()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A small disk of its own; None where nobody may have one."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={RESERVE + 128 * 2**20}", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


@pytest.fixture(scope="module")
def process(disk: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    process = Troubled((disk or tmp_path_factory.mktemp("no-disk")) / "outputs")
    process.wait_until_ready()
    yield process
    assert process.end() == 0
    assert "Traceback" not in "".join(process.log)


def test_a_full_disk(process: Troubled, disk: Path | None, examples: list[Path]) -> None:
    """What was accepted waits and says why, new recordings are refused, and then all is done."""
    if disk is None:
        if os.environ.get("CI"):
            pytest.fail("needs to mount a disk")
        pytest.skip("needs to mount a disk")
    accepted = process.accepted(*examples)
    fill(disk / "full")
    until(lambda: process.post(examples[0]).status_code in {503, 507})  # what was read meanwhile has made room
    until(process.is_down)
    views = [process.view(id_) for id_ in accepted]
    assert "failed" not in {view["state"] for view in views}
    waits_for = [view["problem"]["detail"] for view in views if view["problem"]]
    assert not [detail for detail in waits_for if "/" in detail]
    (disk / "full").unlink()
    process.check(accepted)


def test_a_database_that_somebody_holds(process: Troubled, examples: list[Path]) -> None:
    accepted = process.accepted(*examples[:2])
    with contextlib.closing(sqlite3.connect(process.database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer = process.post(examples[0])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.elapsed.total_seconds() < PATIENCE / 2  # no command of ours gives up as soon
        until(process.is_down)
        holder.execute("ROLLBACK")
    process.check(accepted)


def test_a_database_that_is_overwritten_and_put_back(process: Troubled, examples: list[Path]) -> None:
    accepted = process.accepted(*examples[:2])
    process.check(accepted)
    with contextlib.closing(sqlite3.connect(process.database)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = process.database.read_bytes()
    with process.database.open("r+b") as file:
        file.write(os.urandom(len(content)))
    until(process.is_down)
    answer = process.post(examples[0])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert process.client.get(f"/v1/jobs/{accepted[0]}").status_code == 503
    with process.database.open("r+b") as file:
        file.write(content)
        file.truncate()
    process.wait_until_ready()
    process.check([*accepted, *process.accepted(*examples[:2])])
    assert list((process.outputs / ".emovox/service/uploads").iterdir()) == []


def test_no_file_handles_left(process: Troubled, examples: list[Path]) -> None:
    accepted = process.accepted(*examples, *examples)
    pid, said = process.process.pid, len(process.log)
    before = limit(pid, resource.RLIMIT_NOFILE, len(list(Path(f"/proc/{pid}/fd").iterdir())))
    until(lambda: bool(re.search("Too many open files|unable to open", "".join(process.log[said:]))))
    limit(pid, resource.RLIMIT_NOFILE, before)
    process.check(accepted)


def test_databases_that_are_deleted(process: Troubled, examples: list[Path]) -> None:
    """They are made anew: the jobs are lost, what is stored is archived again."""
    (first,) = process.accepted(examples[0])
    output = process.client.finished(first)["output"]
    for file in [*process.database.parent.glob("service.db*"), *process.outputs.parent.glob("outputs.db*")]:
        file.unlink()
    until(lambda: process.client.get(f"/v1/jobs/{first}").status_code == 404)
    process.check(process.accepted(examples[1]))

    def archived() -> set[str]:
        answer = process.client.get("/v1/archive", params={"limit": 200})
        return {item["output"] for item in answer.json()["recognitions"]} if answer.is_success else set()

    until(lambda: output in archived())
    process.wait_until_ready()
