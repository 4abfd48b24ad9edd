"""Whatever becomes of a cluster, the command says it in words, keeps what it has, and goes on another time."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from support import tiny
from support.batches import table
from support.clusters import cluster_of, needs_ray
from support.waiting import until

Run = Callable[..., tuple[int, str, str]]
needs_ray()
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters to test with need a POSIX system"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of several kinds
]
HASTY = """
import emovox.batch.connection, emovox.batch.tables, emovox.cli
emovox.batch.tables.AGE, emovox.batch.connection.PING, emovox.batch.connection.GRACE = 0.5, 0.5, 3.0
emovox.cli.main()
"""
GOES_ON = "finished recordings are kept; once there is a cluster, run the same command again to resume"


@pytest.mark.slow
def test_the_head_dies(run: Run, tmp_path: Path) -> None:
    """Two commands at once, one on a node of the cluster, one that is connected by `ray://`."""
    calls = tmp_path / "here" / "calls"
    calls.mkdir()
    draw = np.random.default_rng(0)
    for number in range(2000):
        writer = WavWriter(calls / f"{number:04d}.wav")
        writer.write((0.1 * draw.standard_normal(8000)).astype(np.float32))
        writer.close()
    command = ["calls", "--model", str(tiny.write(tmp_path / "tiny.onnx")), "--workers", "1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with cluster_of(2, ray_client_server_port=port) as cluster:
        batches = {
            "connected": _started(*command, "--out", "connected", "--address", f"ray://127.0.0.1:{port}"),
            "joined": _started(*command, "--out", "joined", "--address", cluster.address),
        }
        for process in [info.process for infos in cluster.head_node.all_processes.values() for info in infos]:
            os.kill(process.pid, signal.SIGKILL)
        for out, batch in batches.items():
            said, told = batch.communicate(timeout=120)
            assert batch.returncode == 3, told
            assert said == ""
            last = told.splitlines()[-1]
            assert last.startswith("Error: the Ray cluster was lost: ")
            assert last.endswith(GOES_ON)
            assert ("has not responded for 3 s" in last) == (out == "joined")
            assert ("; the cluster's head does not respond\n" in told) == (out == "joined")
            assert not [word for word in ("Traceback", "raylet", "GCS", "channel") if word in told], told

    for out in batches:
        rows = table(Path(out))
        assert 0 < len(rows) < 2000
        kept = {Path(row["path"]).name for row in rows}
        for number in range(1990):
            if (path := calls / f"{number:04d}.wav").name not in kept:
                path.unlink(missing_ok=True)
        code, _, err = run("batch", *command, "--out", out)
        assert code == 0
        assert f"{len(rows):,} in earlier runs" in err
        again = table(Path(out))
        assert (
            len(again)
            == len({row["path"] for row in again})
            == len(kept | {path.name for path in calls.iterdir()})
        )


def _started(*arguments: str) -> "subprocess.Popen[str]":
    """A command that has written a shard; the same one again where Ray failed to begin, on a busy machine."""
    out = Path(arguments[arguments.index("--out") + 1])
    for _ in range(5):
        batch = subprocess.Popen(
            [sys.executable, "-c", HASTY, "batch", *arguments, "--engine", "ray"],
            env={**os.environ, "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "3"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: batch.poll() is not None or any(out.glob("recognitions/*.parquet")), patience=120)  # noqa: B023
        if batch.poll() is None:
            return batch
        told = batch.communicate()[1]
        assert "no Ray cluster at" in told, told
    raise AssertionError(told)


def test_there_is_none(run: Run, examples: list[Path]) -> None:
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        code, out, err = run("batch", examples[0], "--out", "heard", "--engine", "ray", "--address", address)
        assert (code, out) == (3, "")
        assert err.startswith(f"Error: no Ray cluster at {address}: ")
