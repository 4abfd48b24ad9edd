import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from emovox.batch.config import BatchConfig
from emovox.batch.engine import DIED, Died, Member
from emovox.batch.local import LocalEngine
from emovox.batch.run import Batch
from emovox.batch.status import Status
from emovox.batch.tasks import Answer, Begun, Plan, Ready, Task
from emovox.errors import ModelError, UnknownEmotionError
from emovox.inference.options import Options
from emovox.settings import settings
from support import poison, tiny
from support.batches import run, table


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    place = tmp_path / "calls"
    place.mkdir()
    draw = np.random.default_rng(0)
    for number in range(60):
        writer = WavWriter(place / f"{number:02d}.wav")
        writer.write((0.1 * draw.standard_normal(8000)).astype(np.float32))
        writer.close()
    return place


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(tiny.write(tmp_path / "tiny.onnx"))


def batch(wish: BatchConfig) -> tuple[Status, LocalEngine]:
    engines: list[LocalEngine] = []

    def make(plan: Plan) -> LocalEngine:
        engines.append(LocalEngine(plan, workers=2))
        return engines[0]

    return Batch(wish, make, lambda _: None).run(), engines[0]


def test_processes_give_what_one_gives(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_THREADS", "1")  # two threads add in another order
    settings.cache_clear()
    status, engine = batch(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    run(BatchConfig(str(calls), str(tmp_path / "inline"), model=model))
    assert table(tmp_path / "out") == table(tmp_path / "inline")
    assert (status.done, status.workers) == (60, 2)
    assert engine._members == []


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.slow)])
def test_a_worker_that_is_killed_costs_nothing(
    calls: Path, model: str, tmp_path: Path, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    engines: list[LocalEngine] = []

    def make(plan: Plan) -> LocalEngine:
        engines.append(LocalEngine(plan, workers=2))
        return engines[0]

    def kill(status: Status) -> None:
        if status.done < 10 * (len(killed) + 1) or len(killed) == 2:
            return
        member = engines[0]._members[len(killed)]
        if not member.alone:  # what is killed in isolation too is given up, and rightly
            process = member.worker._process
            killed.append(process.pid)
            os.kill(process.pid, how)

    monkeypatch.setattr("emovox.batch.run._TOLD", 0.0)
    status = Batch(BatchConfig(str(calls), str(tmp_path / "out"), model=model), make, kill).run()
    assert len(set(killed)) == 2
    assert (status.done, status.failed) == (60, 0)
    assert [Path(row["path"]).name for row in table(tmp_path / "out")] == [
        f"{number:02d}.wav" for number in range(60)
    ]


class Struck(LocalEngine):
    """Two of its workers are killed, once each has a task: before it can begin it, or as soon as it has."""

    def __init__(self, plan: Plan, *, begun: bool) -> None:
        super().__init__(plan, workers=1)
        self._begun, self._blows = begun, 2
        self._struck: list[Member] = []

    def _give(self, member: Member, number: int, task: Task) -> None:
        if not self._begun:
            self._strike(member)
        super()._give(member, number, task)

    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        for member, number, said in super()._wait(patience):
            if member not in self._struck or isinstance(said, Died):  # it may have been fast
                yield member, number, said
            if self._begun and isinstance(said, Begun):
                self._strike(member)

    def _strike(self, member: Member) -> None:
        if self._blows:
            self._blows -= 1
            self._struck.append(member)
            member.worker._process.kill()
            member.worker._process.join()


@pytest.mark.parametrize("begun", [False, True])
def test_a_try_counts_once_it_is_begun(calls: Path, model: str, tmp_path: Path, begun: bool) -> None:
    for path in sorted(calls.iterdir())[1:]:
        path.unlink()
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=model)
    status = Batch(wish, lambda plan: Struck(plan, begun=begun), lambda _: None).run()
    assert (status.done, status.failed) == ((0, 1) if begun else (1, 0))
    assert [row["reason"] for row in table(tmp_path / "out", "errors")] == ([DIED] if begun else [])


def test_a_file_that_breaks_the_decoder_costs_itself(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    monkeypatch.setenv("EMOVOX_DECODE_STALL", "1")
    settings.cache_clear()
    for name in ("crash", "hang", "eat"):
        (calls / f"{name}.wav").write_text(f"!{name}")
    status, _ = batch(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    assert (status.done, status.failed) == (60, 3)
    reasons = {Path(row["path"]).stem: row["reason"] for row in table(tmp_path / "out", "errors")}
    assert "broke the decoder" in reasons["crash"]
    assert "no progress" in reasons["hang"]
    assert "more memory" in reasons["eat"]


def test_a_model_that_can_not_be_loaded_is_said(calls: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        batch(BatchConfig(str(calls), str(tmp_path / "out"), model=str(tmp_path / "broken.onnx")))
    with pytest.raises(UnknownEmotionError, match="doesn't know surprised"):
        batch(
            BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=Options(emotions=("surprised",)))
        )


HASTY = """
import os, runpy, sys
from emovox.batch import tables
flush, shards = tables.Shards.flush, []

def flush_and_die(self):  # in the middle of the run, with more on its way
    flush(self)
    shards.append(self)
    if len(shards) == 12:
        os.kill(os.getpid(), 9)

tables.AGE, tables.ROWS, tables.Shards.flush = 0, 7, flush_and_die
sys.argv[0] = "emovox"
runpy.run_module("emovox", run_name="__main__")
"""


def test_killed_and_resumed_the_table_is_the_same(
    examples: list[Path], calls: Path, model: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "emovox", "batch", str(calls), "--model", model, "--quiet", "--out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([*command, str(tmp_path / "whole")], env=environment, check=True)
    kills, hasty = 0, [sys.executable, "-c", HASTY, *command[3:], str(tmp_path / "killed")]
    while subprocess.run(hasty, env=environment, check=False).returncode:
        kills += 1
        assert kills < 20
    subprocess.run([*command, str(tmp_path / "killed")], env=environment, check=True)
    assert kills >= 2
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
