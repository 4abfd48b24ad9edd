"""What the service must stand: many clients, one client, malformed uploads, and being killed.

PYTHONPATH=tests python -m benchmarks.service            all of it, about five minutes
PYTHONPATH=tests python -m benchmarks.service load --seconds 60 --clients 200
PYTHONPATH=tests python -m benchmarks.service single malformed kill

Each part prints what it measured, and ends with an error where a result is wrong. Clients and the service share
the machine's cores.
"""

import argparse
import asyncio
import io
import json
import random
import socket
import statistics
import tempfile
import threading
import time
import wave
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from numpy.typing import NDArray

from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.outputs import RESULT, Outputs
from support.results import nine
from support.service import Client, ServiceProcess

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.flac"))
FORMATS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "ogg": "libopus",
    "webm": "libopus",
    "m4a": "aac",
    "aiff": "pcm_s16be",
}


def clips(seconds: float = 3.0) -> list[bytes]:
    """WAV files of that length, each of another example."""
    found = []
    for path in EXAMPLES:
        with av.open(str(path)) as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        samples = np.resize(samples, round(16_000 * seconds)).astype("<i2")
        file = io.BytesIO()
        with wave.open(file, "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(16_000)
            target.writeframes(samples.tobytes())
        found.append(file.getvalue())
    return found


@dataclass
class Load:
    """What the clients saw."""

    answered: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)


async def post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection that stays open."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _client(
    port: int, number: int, sounds: list[bytes], expected: list[dict[str, float]], until: float, load: Load
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/v1/recognitions?store=false&name=client{number}"
    try:
        while time.monotonic() < until:
            which = random.randrange(len(sounds))
            started = time.monotonic()
            status, headers, body = await post(reader, writer, path, sounds[which])
            if status == 503 and "retry-after" in headers:
                load.refused += 1
                patience = float(headers["retry-after"]) * random.uniform(1, 1.5)
                await asyncio.sleep(max(0.0, min(patience, until - time.monotonic())))
                continue
            result = json.loads(body)
            if status != 200:
                load.wrong.append(f"{status}: {result}")
            elif result["scores"] != expected[which] or result["recording"]["name"] != f"client{number}":
                load.wrong.append("another's result")
            else:
                load.answered += time.monotonic() < until
                load.waited.append(time.monotonic() - started)
    finally:
        writer.close()


async def _poll_health(port: int, until: float, load: Load) -> None:
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.monotonic()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await _answer(reader)
        load.health.append(time.monotonic() - started)
        writer.close()
        await asyncio.sleep(0.1)


def metric(client: Client, name: str) -> float:
    """One value of /metrics."""
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def _rate(recognizer: Recognizer, sounds: list[bytes]) -> float:
    """Clips a second that the library hears."""
    started = time.monotonic()
    return len(list(recognizer.recognize_many(sounds * 20))) / (time.monotonic() - started)


def many_clients(clients: int, seconds: float) -> None:
    """Many clients at once: results, lag, memory, throughput."""
    sounds, recognizer = clips(), Recognizer("lite")
    expected = [nine(recognizer.recognize(sound)) for sound in sounds]
    library = [_rate(recognizer, sounds) for _ in range(3)][1:]  # the first warms up
    with tempfile.TemporaryDirectory() as place:
        process = ServiceProcess(Path(place) / "outputs", decoders=2)
        process.wait_until_ready()
        port = process.client.base_url.port or 0
        load = Load()

        async def run(length: float) -> None:
            until = time.monotonic() + length
            work = [_client(port, number, sounds, expected, until, load) for number in range(clients)]
            await asyncio.gather(*work, _poll_health(port, until, load))

        asyncio.run(run(5))
        load = Load()
        before = metric(process.client, "emovox_memory_bytes")
        metric(process.client, "emovox_event_loop_lag_seconds")
        asyncio.run(run(seconds))
        lag = metric(process.client, "emovox_event_loop_lag_seconds")
        after = metric(process.client, "emovox_memory_bytes")
        process.end()
    library.append(_rate(recognizer, sounds))
    rate, alone = load.answered / seconds, statistics.mean(library)
    print(f"load: {clients} clients, {seconds:.0f} s: {load.answered} answers, {load.refused} honest 503s")
    shown = ", ".join(f"{one:.1f}" for one in library)
    print(f"  {rate:.1f} clips/s; the library alone {shown} clips/s: {100 * rate / alone:.0f} %")
    print(f"  event loop lag at most {1000 * lag:.0f} ms; /healthz at most {1000 * max(load.health):.0f} ms")
    print(f"  memory {before / 2**20:.0f} MiB before, {after / 2**20:.0f} MiB after")
    print(f"  an answer took {statistics.median(load.waited):.2f} s (median), {max(load.waited):.2f} s at most")
    if load.wrong:
        raise SystemExit(f"wrong: {load.wrong[:3]}")


def one_client(rounds: int = 60) -> None:
    """One client alone: what the service adds to the library's own time, stored and not."""
    sound = clips()[0]
    with tempfile.TemporaryDirectory() as place:
        recognizer, outputs = Recognizer("lite"), Outputs(Path(place) / "library")
        process = ServiceProcess(Path(place) / "outputs")
        process.wait_until_ready()
        names = ("library", "service", "library+store", "service+store")
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds + 5):
            marks = [time.perf_counter()]
            recognizer.recognize(sound)
            marks.append(time.perf_counter())
            process.client.post("/v1/recognitions?store=false", content=sound)
            marks.append(time.perf_counter())
            with outputs.draft() as draft:
                draft.publish(recognizer.recognize(sound, sink=draft.write))
            marks.append(time.perf_counter())
            process.client.post("/v1/recognitions", content=sound)
            marks.append(time.perf_counter())
            if number >= 5:
                for name, start, end in zip(times, marks, marks[1:], strict=False):
                    times[name].append(end - start)
        process.end()
    medians = {name: 1000 * statistics.median(values) for name, values in times.items()}
    print("single: " + ", ".join(f"{name} {value:.1f} ms" for name, value in medians.items()))
    print(f"  the service adds {medians['service'] - medians['library']:.1f} ms, stored "
          f"{medians['service+store'] - medians['library+store']:.1f} ms")  # fmt: skip


def _encoded(directory: Path) -> list[bytes]:
    with wave.open(io.BytesIO(clips()[0])) as source:
        samples = np.frombuffer(source.readframes(48_000), "<i2")
    return [_encode(directory / f"x.{suffix}", codec, samples) for suffix, codec in FORMATS.items()]


def _encode(path: Path, codec: str, samples: NDArray[np.int16]) -> bytes:
    with av.open(str(path), "w") as container:
        rate = 48_000 if codec == "libopus" else 16_000
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path.read_bytes()


def malformed(count: int = 1000) -> None:
    """Random bytes, cut and flipped files, wrong lengths, slow senders: every answer is 4xx, or a real result."""
    chance = random.Random(1)
    statuses: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as place:
        good = _encoded(Path(place))
        process = ServiceProcess(Path(place) / "outputs", upload_stall=1, decode_stall=5)
        process.wait_until_ready()
        address = ("127.0.0.1", process.client.base_url.port or 0)
        before = 0.0
        slow: list[threading.Thread] = []
        for number in range(count):
            kind, sound = number % 5, bytearray(chance.choice(good))
            if kind == 0:
                sound = bytearray(chance.randbytes(chance.randrange(1, 50_000)))
            elif kind == 1:
                del sound[chance.randrange(len(sound) // 20) :]
            elif kind == 2:
                for _ in range(len(sound) // 20):
                    sound[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
            elif kind == 3:
                sound[:64] = chance.randbytes(64)
            if kind == 4:
                if number % 50 == 4:
                    slow.append(threading.Thread(target=_slow, args=(address, bytes(sound), statuses)))
                    slow[-1].start()
                    continue
                half = bytes(sound[: len(sound) // 2])
                kind_of_body = {"Content-Type": "multipart/form-data; boundary=x"}
                answer = process.client.post("/v1/recognitions?store=false", content=half, headers=kind_of_body)
            else:
                answer = process.client.post("/v1/recognitions?store=false", content=bytes(sound))
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            if number == count // 10:
                before = metric(process.client, "emovox_memory_bytes")
        for thread in slow:
            thread.join()
        ready = process.client.get("/readyz").status_code
        after = metric(process.client, "emovox_memory_bytes")
        left = len(list((Path(place) / "outputs/.emovox/service/uploads").iterdir()))
        process.end()
    print(f"malformed: {count} uploads: {dict(sorted(statuses.items()))} (200: what was left could be decoded)")
    print(f"  ready: {ready}; {left} uploads left")
    print(f"  memory {before / 2**20:.0f} MiB after a tenth, {after / 2**20:.0f} MiB after all")
    if ready != 200 or left or any(status >= 500 for status in statuses):
        raise SystemExit("the service didn't stand it")


def _slow(address: tuple[str, int], sound: bytes, statuses: dict[int, int]) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        head = f"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(sound) + 9}\r\n\r\n"
        connection.sendall(head.encode() + sound)  # nine bytes never come
        status = int(connection.recv(4096).split()[1])
        statuses[status] = statuses.get(status, 0) + 1


def killed(rounds: int = 20) -> None:
    """Killed at random under load: every accepted job ends in exactly one complete outputs directory."""
    chance = random.Random(2)
    accepted: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "outputs"
        for _ in range(rounds):
            process = ServiceProcess(root)
            threading.Timer(chance.uniform(0.3, 3.0), process.process.kill).start()
            with suppress(httpx.HTTPError):
                while True:
                    content = EXAMPLES[len(accepted) % len(EXAMPLES)].read_bytes()
                    url = f"/v1/recognitions?name={len(accepted)}"
                    answer = process.client.post(url, content=content, headers={"Prefer": "respond-async"})
                    accepted[answer.json()["id"]] = str(len(accepted))
                    time.sleep(chance.uniform(0, 0.1))
            process.end(kill=True)
        process = ServiceProcess(root)
        jobs: dict[str, dict[str, Any]] = {}
        following: str | None = "/v1/jobs?limit=200"
        while following:  # also those whose acceptance was cut off, of which no client knows
            page = process.client.get(following).json()
            jobs |= {job["id"]: process.client.finished(job["id"], patience=300) for job in page["jobs"]}
            following = page["next"]
        process.end()
        outputs = [job["output"] for job in jobs.values()]
        directories = {path.name for path in root.glob("outputs_*")}
        good = set(accepted) <= set(jobs) and len(set(outputs)) == len(outputs) and set(outputs) == directories
        for job in jobs.values():
            result = Recognition.from_json((root / job["output"] / RESULT).read_bytes())
            good = good and result.recording.name == job["name"] == accepted.get(job["id"], job["name"])
    print(f"kill: {rounds} kills, {len(accepted)} jobs accepted, {len(jobs)} kept, {len(directories)} outputs")
    if not good:
        raise SystemExit("outputs are missing, incomplete, doubled, or mixed up")


PARTS = {"single": one_client, "malformed": malformed, "kill": killed}


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=["load", *PARTS], default=["load", *PARTS])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part == "load":
            many_clients(arguments.clients, arguments.seconds)
        else:
            PARTS[part]()


if __name__ == "__main__":
    main()
