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
from emovox.batch.run import Batch
from emovox.batch.status import Status
from emovox.batch.tasks import Plan
from emovox.batch.wish import Wish
from emovox.errors import BatchError
from emovox.recognition.options import Options
from emovox.settings import settings
from support import tiny
from support.batches import run, table

ray: Any = pytest.importorskip("ray", reason="ray is not installed: pip install -r tests/requirements-cluster.txt")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters to test with need a POSIX system"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of several kinds
    pytest.mark.slow,
]

from emovox.batch.cluster import RayEngine  # noqa: E402


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without cores, and two nodes with one each."""
    import ray.cluster_utils  # noqa: PLC0415

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("EMOVOX_THREADS", "1")
    settings.cache_clear()
    memory: dict[str, Any] = {"object_store_memory": 100_000_000}
    made: Any = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **memory})
    made.nodes = [made.add_node(num_cpus=1, **memory) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    made.shutdown()


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


def test_a_cluster_gives_what_one_machine_gives_whatever_dies(
    cluster: Any, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(tiny.write(tmp_path / "tiny.onnx"))
    options = Options(segments=True)
    run(Wish(str(calls), str(tmp_path / "inline"), model=model, options=options))
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

    wish = Wish(str(calls), str(tmp_path / "out"), model=model, options=options, longest=30)
    status = Batch(wish, make, kill).run()
    assert lost == ["worker", "node"]
    assert (status.done, status.failed, status.same) == (61, 1, 1)
    for name in ("recognitions", "errors"):
        assert table(tmp_path / "out", name) == table(tmp_path / "inline", name)

    (calls / "twin-2.wav").write_bytes((calls / "05.wav").read_bytes())
    engines.clear()
    status = Batch(wish, make, lambda _: None).run()
    assert (status.before, status.done, status.same) == (61, 1, 1)


def test_no_cluster(tmp_path: Path) -> None:
    plan = Plan("lite", "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 1.0)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(BatchError, match=r"no Ray cluster at (ray://)?127\.0\.0\.1:1: "):
            RayEngine(plan, address=address)


def test_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installs what is named can use every address."""
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = Plan("lite", "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 1.0)
    with pytest.raises(BatchError, match=r"pip install 'ray\[client\]'"):
        RayEngine(plan, address=None)
