"""Batches: throughput over cores, memory, kills, and a Ray cluster of two nodes on this machine.

PYTHONPATH=src python -m benchmarks.batch scale CORPUS [--clips 5000] [--repeats 3]
PYTHONPATH=src:tests python -m benchmarks.batch memory
PYTHONPATH=src python -m benchmarks.batch kills CORPUS [--clips 500] [--kills 10]
PYTHONPATH=src python -m benchmarks.batch ray CORPUS [--clips 500] [--repeats 3]
PYTHONPATH=src python -m benchmarks.batch losses CORPUS [--clips 500]

CORPUS is a directory of recordings; the clips are a random choice of them, the same every time. Rates are ratios
within one run, medians of interleaved repeats: other work on the machine spoils them.
"""

import argparse
import contextlib
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emovox.audio.files import find
from emovox.silence import import_ray, without_reports

RATE = re.compile(r"([\d.,]+) h of audio in (\d+):(\d\d):(\d\d) .* ([\d.,]+) h per hour")
TINY = 3200  # samples of the tiny files
Command = list[str]


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["scale", "memory", "kills", "ray", "losses"])
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--cores", default="0,1", help="two, for taskset")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emovox-benchmark-") as scratch:
        place = Path(scratch)
        if options.what == "memory":
            memory(place)
            return
        clips = choose(
            options.corpus, options.clips or (5000 if options.what == "scale" else 500), place / "clips"
        )
        if options.what == "scale":
            scale(clips, place, options.cores.split(","), options.repeats)
        elif options.what == "kills":
            kills(clips, place, options.kills)
        elif options.what == "ray":
            ray_scale(clips, place, options.cores.split(","), options.repeats)
        else:
            losses(clips, place, options.cores.split(","))


def choose(corpus: str, count: int, place: Path) -> Path:
    """A directory of links to some recordings of a corpus."""
    files = find(corpus)
    random.Random(0).shuffle(files)
    place.mkdir()
    for number, file in enumerate(files[:count]):
        (place / f"{number:06d}{file.suffix}").symlink_to(file.resolve())
    return place


def batch(clips: Path, out: Path, *options: str) -> Command:
    """The command."""
    return [sys.executable, "-m", "emovox", "batch", str(clips), "--out", str(out), "--model", "lite", *options]


def rate(command: Command, **environment: str) -> tuple[float, float]:
    """Run a batch: hours of audio an hour from when its model is loaded, and an hour of CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = RATE.search(done.stderr)
    if not found:
        raise SystemExit(done.stderr)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return float(found[5].replace(",", "")), float(found[1].replace(",", "")) / (spent / 3600)


def scale(clips: Path, place: Path, cores: list[str], repeats: int) -> None:
    """One core, two with a process each, two with one process of two threads."""
    both = ",".join(cores)
    contenders = {
        "one core": (["taskset", "-c", cores[0]], {}),
        "two cores, a process each": (["taskset", "-c", both], {}),
        "two cores, one process of two threads": (["taskset", "-c", both], {"EMOVOX_THREADS": "2"}),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    per_cpu: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        for number, (name, (pin, environment)) in enumerate(contenders.items()):
            pace, thrift = rate([*pin, *batch(clips, place / f"out-{repeat}-{number}")], **environment)
            rates[name].append(pace)
            per_cpu[name].append(thrift)
            print(
                f"{name}: {pace:.1f} h an hour, {thrift:.1f} an hour of CPU time; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    one = statistics.median(rates["one core"])
    print("\n| | h of audio an hour, median | best | of one core's, medians | bests | an hour of CPU time |")
    print("|---|---|---|---|---|---|")
    for name, found in rates.items():
        middle, best = statistics.median(found), max(found)
        print(
            f"| {name} | {middle:.1f} | {best:.1f} | {middle / one:.2f} | {best / max(rates['one core']):.2f} | "
            f"{statistics.median(per_cpu[name]):.1f} |"
        )


def memory(place: Path) -> None:
    """The peak memory of the command, and of the biggest worker, over the number of tiny files."""
    import numpy as np  # noqa: PLC0415

    from emovox.audio.wav import WavWriter  # noqa: PLC0415
    from support import tiny  # noqa: PLC0415

    model = tiny.write(place / "tiny.onnx")  # memory grows, or not, with the files, and not with the model
    print("| files | command, MB | biggest worker, MB | seconds |\n|---|---|---|---|")
    for count in (500, 5000, 50_000):
        directory = place / str(count)
        directory.mkdir()
        draw = np.random.default_rng(0)
        for number in range(count):
            writer = WavWriter(directory / f"{number}.wav")
            writer.write(0.1 * draw.standard_normal(TINY).astype(np.float32))
            writer.close()
        started = time.monotonic()
        process = subprocess.Popen([*batch(directory, place / f"out-{count}"), "--quiet", "--model", str(model)])
        command, workers = peaks(process)
        print(f"| {count} | {command:.0f} | {workers:.0f} | {time.monotonic() - started:.0f} |", flush=True)


def peaks(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Peak resident memory of a process and of its biggest child, MB, once it has ended."""
    own, biggest = 0.0, 0.0
    while process.poll() is None:
        own = max(own, peak(process.pid))
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            biggest = max([biggest, *(peak(int(child)) for child in children)])
        time.sleep(0.2)
    return own, biggest


def peak(pid: int) -> float:
    """VmHWM of a process, MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def kills(clips: Path, place: Path, count: int) -> None:
    """Kill -9 of the command at random points, resumed each time; the table must be that of an undisturbed run."""
    options = ("--quiet", "--segments", "--embedding")
    started = time.monotonic()
    subprocess.run(batch(clips, place / "undisturbed", *options), check=False)
    whole = time.monotonic() - started
    draw = random.Random(1)
    for number in range(count):
        process = subprocess.Popen(batch(clips, place / "killed", *options))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.5, 0.5 * whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"kill {number + 1}: {len(table(place / 'killed')):,} rows are safe", flush=True)
    subprocess.run(batch(clips, place / "killed", *options), check=False)
    same = table(place / "killed") == table(place / "undisturbed")
    print(f"{len(table(place / 'killed')):,} rows after {count} kills: {'equal' if same else 'DIFFERENT'}")


def table(out: Path) -> list[dict[str, Any]]:
    """All rows of a batch, by path."""
    shards = sorted((out / "recognitions").glob("*.parquet"))
    rows = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    return sorted(rows, key=lambda row: (row["path"], row["channel"] or 0))


@contextlib.contextmanager
def nodes(cores: list[str]) -> Iterator[tuple[Any, list[Any]]]:
    """A Ray cluster: a head without cores, and a node of one core, pinned to it, for each of these."""
    import_ray()
    import ray.cluster_utils  # noqa: PLC0415, TID251  a part of what is loaded

    everywhere = os.sched_getaffinity(0)
    with without_reports():
        cluster: Any = ray.cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 200_000_000}
        )
    added = []
    try:
        for core in cores:
            os.sched_setaffinity(0, {int(core)})  # the raylet and its actors inherit it
            added.append(cluster.add_node(num_cpus=1, object_store_memory=200_000_000))
        os.sched_setaffinity(0, everywhere)
        cluster.wait_for_nodes()
        yield cluster, added
    finally:
        os.sched_setaffinity(0, everywhere)
        cluster.shutdown()


def ray_scale(clips: Path, place: Path, cores: list[str], repeats: int) -> None:
    """One node of one core, and two."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(repeats):
        for count, found in rates.items():
            with nodes(cores[:count]) as (cluster, _):
                out = place / f"ray-{repeat}-{count}"
                command = batch(clips, out, "--engine", "ray", "--address", cluster.address)
                found.append(rate(command)[0])
            print(f"{count} nodes: {found[-1]:.1f} h an hour; load {os.getloadavg()[0]:.1f}", flush=True)
    one, two = (statistics.median(rates[count]) for count in (1, 2))
    print(f"medians: {one:.1f} and {two:.1f} h an hour, {two / one:.2f} times")


def losses(clips: Path, place: Path, cores: list[str]) -> None:
    """Kill an actor, then a node, half-way; the table must be that of one machine."""
    subprocess.run(batch(clips, place / "local", "--quiet"), check=True)
    total = len(table(place / "local"))
    with nodes(cores) as (cluster, added):
        command = batch(clips, place / "ray", "--engine", "ray", "--address", cluster.address)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        log: list[str] = []
        reader = threading.Thread(target=lambda: log.extend(process.stderr or []))
        reader.start()
        wait_for(place / "ray", total // 4, process)
        victim = next(
            int(line.parent.name)
            for line in Path("/proc").glob("[0-9]*/cmdline")
            if line.read_bytes().startswith(b"ray::RayWorker")
        )
        os.kill(victim, signal.SIGKILL)
        print(f"killed actor {victim} at {len(table(place / 'ray'))} of {total} rows", flush=True)
        wait_for(place / "ray", total // 2, process)
        cluster.remove_node(added[1], allow_graceful=False)
        print(f"killed a node at {len(table(place / 'ray'))} of {total} rows", flush=True)
        process.wait()
        reader.join()
    print("".join(log[-2:]), end="")
    same = table(place / "ray") == table(place / "local")
    print(f"{len(table(place / 'ray')):,} rows: {'equal' if same else 'DIFFERENT'}")


def wait_for(out: Path, rows: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many rows are there."""
    while len(table(out)) < rows and process.poll() is None:
        time.sleep(1)
    if process.poll() is not None:
        raise SystemExit("the batch ended too soon: give it more --clips")


if __name__ == "__main__":
    main()
