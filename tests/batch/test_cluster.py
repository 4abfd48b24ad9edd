"""On a cluster of two nodes on this machine, each a raylet of its own. Needs tests/requirements-cluster.txt."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from emovox.baselines.fitting import fit
from emovox.batch.config import BatchConfig
from emovox.batch.engine import Member
from emovox.batch.run import Batch
from emovox.batch.status import Status
from emovox.batch.tasks import Plan, Task
from emovox.errors import BatchError, ClusterError
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.policy import Policy
from emovox.settings import settings
from support import tiny
from support.batches import run, table
from support.clusters import cluster_of, needs_ray

needs_ray()
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters to test with need a POSIX system"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of several kinds
]

from emovox.batch.cluster import RayEngine  # noqa: E402


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("EMOVOX_THREADS", "1")
    settings.cache_clear()
    with cluster_of(1, 1) as made:
        yield made


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Sixty recordings, two of them the same and one of them long; and one that is none."""
    place = tmp_path / "calls"
    place.mkdir()
    draw = np.random.default_rng(0)
    for number in range(60):
        writer = WavWriter(place / f"{number:02d}.wav")
        length = 8000 if number != 7 else 16_000 * 70
        writer.write((0.1 * draw.standard_normal(length)).astype(np.float32))
        writer.close()
    (place / "twin.wav").write_bytes((place / "05.wav").read_bytes())
    (place / "text.wav").write_text("this is no sound")
    return place


@pytest.mark.slow
def test_a_cluster_gives_what_one_machine_gives_whatever_dies(
    cluster: Any, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes run elsewhere: what is relative is seen from where the batch was started."""
    model = tiny.write(tmp_path / "tiny.onnx").name
    options = Options(segments=True)
    monkeypatch.chdir(tmp_path)
    run(BatchConfig("calls", "inline", model=model, options=options))
    monkeypatch.setattr("emovox.batch.run._TOLD", 0.0)
    engines: list[RayEngine] = []
    lost: list[str] = []

    def make(plan: Plan) -> RayEngine:
        engines.append(RayEngine(plan, address=cluster.address))
        return engines[0]

    def kill(status: Status) -> None:
        if status.done >= 10 and not lost:
            (victim, *_) = [
                int(line.parent.name)
                for line in Path("/proc").glob("[0-9]*/cmdline")
                if line.read_bytes().startswith(b"ray::RayWorker")
            ]
            os.kill(victim, signal.SIGKILL)
            lost.append("worker")
        elif status.done >= 30 and len(lost) == 1:
            cluster.remove_node(cluster.nodes[0], allow_graceful=False)
            lost.append("node")

    wish = BatchConfig("calls", "out", model=model, options=options, longest=30)
    status = Batch(wish, make, kill).run()
    assert lost == ["worker", "node"]
    assert (status.done, status.failed, status.same) == (61, 1, 1)
    for name in ("recognitions", "errors"):
        assert table(tmp_path / "out", name) == table(tmp_path / "inline", name)

    (calls / "twin-2.wav").write_bytes((calls / "05.wav").read_bytes())
    engines.clear()
    status = Batch(wish, make, lambda _: None).run()
    assert (status.before, status.done, status.same) == (61, 1, 1)

    def take_the_last(status: Status) -> None:
        if status.done >= 10 and len(lost) == 2:
            monkeypatch.setattr("emovox.batch.cluster.START", 5.0)
            cluster.remove_node(cluster.nodes[1], allow_graceful=False)
            lost.append("the other node")
        told.append(status.trouble)

    told: list[str] = []
    monkeypatch.setattr("emovox.batch.cluster.JOIN", 0.0)
    engines.clear()
    with pytest.raises(
        ClusterError, match=r"has had no room for a worker for 5 s; finished recordings are kept; once"
    ):
        Batch(BatchConfig("calls", "rest", model=model, longest=30), make, take_the_last).run()
    assert "no workers are left on the cluster: waiting for a node" in told
    assert len(table(tmp_path / "rest")) >= 10


def test_sides_are_obeyed_on_every_node(cluster: Any, tmp_path: Path, examples: list[Path]) -> None:
    """By the list's column, and by the baseline where that says nothing; the nodes have no policy of their own."""
    model = tiny.write(tmp_path / "tiny.onnx").name
    recognizer = Recognizer(tmp_path / model)
    rows = np.ones((2, recognizer.metadata.embedding_size))
    [agents] = fit("agents", rows, recognizer.metadata, sides=["worker", "worker"])
    sides = ["customer", "worker", "open", "pupil", "", "subject"]
    listed = ["path,side", *(f"{path},{side}" for path, side in zip(examples, sides, strict=False))]
    (tmp_path / "calls.csv").write_text("\n".join(listed))
    facts: dict[str, Any] = {"model": str(tmp_path / model), "policy": Policy("eu")}
    options = Options(segments=True, baseline=agents)
    source = str(tmp_path / "calls.csv")
    run(BatchConfig(source, str(tmp_path / "inline"), options=options, **facts))
    wish = BatchConfig(source, str(tmp_path / "out"), options=options, **facts)
    status = Batch(wish, lambda plan: RayEngine(plan, address=cluster.address), lambda _: None).run()
    assert (status.done, status.failed) == (6, 0)
    assert table(tmp_path / "out") == table(tmp_path / "inline")
    by_path = {Path(row["path"]): row for row in table(tmp_path / "out")}
    said = [(by_path[path]["side"], by_path[path]["emotion"] is not None) for path in examples[:6]]
    assert said == [
        ("customer", True), ("worker", False), ("worker", False), ("pupil", False), ("worker", False),
        ("subject", True),
    ]  # fmt: skip


def test_a_try_counts_once_it_is_begun(cluster: Any, calls: Path, tmp_path: Path) -> None:
    """One worker dies of all that it has, it seems; the next is dead when it gets the first of that by itself."""

    class Struck(RayEngine):
        def _give(self, member: Member, number: int, task: Task) -> None:
            if member.alone:
                alone.append(number)
            if member.alone == bool(struck) and len(struck) < 2:
                struck.append(member)
                self._ray.kill(member.worker)
            super()._give(member, number, task)

        def close(self) -> None:
            begun.extend(self._begun(number) for number in alone[:2])
            super().close()

    alone: list[int] = []
    struck: list[Member] = []
    begun: list[bool] = []
    for path in sorted(calls.iterdir())[2:]:
        path.unlink()
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=str(tiny.write(tmp_path / "tiny.onnx")))
    status = Batch(wish, lambda plan: Struck(plan, address=cluster.address, workers=1), lambda _: None).run()
    assert (status.done, status.failed) == (2, 0)
    assert begun == [False, True]


def test_no_cluster(tmp_path: Path) -> None:
    plan = Plan("lite", "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 1.0)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(ClusterError, match=r"no Ray cluster at (ray://)?127\.0\.0\.1:1: "):
            RayEngine(plan, address=address)


def test_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installs what is named can use every address."""
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = Plan("lite", "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 1.0)
    with pytest.raises(BatchError, match=r"-m pip install 'ray\[client\]'"):
        RayEngine(plan, address=None)
