import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from emovox.audio.files import is_remote
from emovox.batch.config import BatchConfig
from emovox.batch.sources import find
from emovox.batch.storage import Place, fetched
from emovox.batch.tasks import Item
from emovox.errors import AudioError, BatchError, RecordingNotFoundError, TooLargeError, UnreadableAudioError
from emovox.settings import settings
from support import tiny
from support.batches import run, table


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """S3 over HTTP."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, examples: list[Path]) -> Iterator[str]:
    """A bucket with three examples, and something else."""
    for name, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="calls")
    for number, path in enumerate(examples[:3]):
        client.put_object(Bucket="calls", Key=f"2026/{number}/call 安.flac", Body=path.read_bytes())
    client.put_object(Bucket="calls", Key="2026/notes.txt", Body=b"nothing")
    yield "s3://calls"
    for item in client.list_objects_v2(Bucket="calls")["Contents"]:
        client.delete_object(Bucket="calls", Key=item["Key"])
    client.delete_bucket(Bucket="calls")


def keys(prefix: str) -> list[str]:
    return [
        item["Key"]
        for item in boto3.client("s3").list_objects_v2(Bucket="calls", Prefix=prefix).get("Contents", [])
    ]


def test_what_is_an_address() -> None:
    assert [is_remote(name) for name in ("s3://a/b", "gs://a", "https://x/y.wav", "hf://datasets/a/b")] == [
        True
    ] * 4
    assert [is_remote(name) for name in ("/a/b", "a.wav", "C:\\a", "file:///a", "://", "a b://c")] == [
        False
    ] * 5 + [True]


def test_recordings_in_a_bucket_are_found(bucket: str) -> None:
    expected = [f"{bucket}/2026/{number}/call 安.flac" for number in range(3)]
    for source in (bucket, f"{bucket}/2026", f"{bucket}/2026/", f"{bucket}/2026/*/*.flac", f"{bucket}/**/*.flac"):
        assert sorted(item.path for item in find(source)) == expected
    assert list(find(expected[1])) == [Item(expected[1])]
    with pytest.raises(BatchError, match="no such file or directory"):
        list(find(f"{bucket}/2027"))


def test_a_batch_from_a_bucket_into_a_bucket(bucket: str, examples: list[Path], tmp_path: Path) -> None:
    model = str(tiny.write(tmp_path / "tiny.onnx"))
    run(BatchConfig(f"{bucket}/2026", f"{bucket}/out", model=model))
    run(BatchConfig(str(examples[0].parent / "*.flac"), str(tmp_path / "local"), model=model))
    place = Place.of(f"{bucket}/out/recognitions")
    (name,) = (name for name, _ in place.entries())
    (tmp_path / "copy" / "recognitions").mkdir(parents=True)
    (tmp_path / "copy" / "recognitions" / name).write_bytes((place / name).read())
    for row, other in zip(table(tmp_path / "copy"), table(tmp_path / "local"), strict=False):
        assert {**row, "path": ""} == {**other, "path": ""}
    before = keys("out/")
    status, engine = run(BatchConfig(f"{bucket}/2026", f"{bucket}/out", model=model))
    assert (status.before, status.done, engine.answered) == (3, 0, [])
    assert keys("out/") == before


def test_a_list_in_a_bucket_that_windows_wrote(bucket: str) -> None:
    Place.of(f"{bucket}/list.csv").write("\ufeffPath;Label\r\n2026\\0\\call 安.flac;sad\r\n".encode())
    assert list(find(f"{bucket}/list.csv")) == [Item(f"{bucket}/2026/0/call 安.flac")]
    boto3.client("s3").put_object(Bucket="calls", Key="2026\\0\\call 安.flac", Body=b"called so")
    assert list(find(f"{bucket}/list.csv")) == [Item(f"{bucket}/2026\\0\\call 安.flac")]


def test_a_manifest_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    Place.of(f"{bucket}/2026/list.csv").write(
        "path\n0/call 安.flac\ns3://calls/2026/1/call 安.flac\nno.flac\n".encode()
    )
    model = str(tiny.write(tmp_path / "tiny.onnx"))
    status, _ = run(BatchConfig(f"{bucket}/2026/list.csv", str(tmp_path / "out"), model=model))
    assert (status.done, status.failed) == (2, 1)
    assert table(tmp_path / "out", "errors") == [{"path": f"{bucket}/2026/no.flac", "reason": "no such file"}]


def test_no_bucket_and_no_server(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BatchError, match="s3://nowhere"):
        Place.of("s3://nowhere/x").write(b"x")
    with pytest.raises(BatchError, match=r"what://x/y: unknown kind of storage: choose s3://"):
        Place.of("what://x/y")
    with pytest.raises(BatchError, match=r"https://x/y: .* give a manifest of them"):
        Place.of("https://x/y")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(BatchError, match="AZURE_STORAGE_ACCOUNT"):
        Place.of("az://container/x")


def test_what_is_written_appears_complete(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (Place.of(str(tmp_path / "a" / "x")), Place.of(f"{bucket}/a/x")):
        place.write(b"one")
        assert (place.kind(), place.read()) == ("file", b"one")
        place.delete()
        assert place.kind() == "nothing"
    assert list((tmp_path / "a").iterdir()) == []  # no draft either
    local = Place.of(str(tmp_path / "y"))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BatchError, match="No space left"):
        local.write(b"half")
    assert list(tmp_path.glob(".y*")) == []
    assert local.kind() == "nothing"


def test_storage_that_gives_no_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Storage:
        def get_file_info(self, _: str) -> None:
            raise pa.ArrowException("no login\nat all")  # as Arrow passes Azure's errors on

    with pytest.raises(BatchError, match="az://calls: no login at all"):
        Place("az://calls", Storage(), "calls", False).kind()
    monkeypatch.setattr("emovox.batch.storage.RETRIES", 0.5)
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(BatchError, match="gs://anonymous@nowhere"):
        Place.of("gs://anonymous@nowhere").kind()


def test_recordings_are_fetched_and_removed(bucket: str, examples: list[Path], tmp_path: Path) -> None:
    address = f"{bucket}/2026/0/call 安.flac"
    with fetched(address, tmp_path, max_bytes=10**6) as path:
        assert path.read_bytes() == examples[0].read_bytes()
    for wrong, limit, kind in (
        (address, 100, TooLargeError),
        (f"{bucket}/2026/no.flac", 10**6, RecordingNotFoundError),
        ("s3://nowhere/no.flac", 10**6, AudioError),
    ):
        with pytest.raises(kind), fetched(wrong, tmp_path, max_bytes=limit):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"] or not list(tmp_path.iterdir())


def test_web_addresses(examples: list[Path], tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/a.flac"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(examples[0].read_bytes() if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        root = f"http://127.0.0.1:{web.server_port}"
        with fetched(f"{root}/a.flac", tmp_path, max_bytes=settings().max_file_size) as path:
            assert path.read_bytes() == examples[0].read_bytes()
        for address, limit, kind, reason in (
            (f"{root}/b", 99, UnreadableAudioError, r"the server answered 404 Not Found$"),
            (f"{root}/a.flac", 99, TooLargeError, "larger than the limit"),
        ):
            with pytest.raises(kind, match=reason), fetched(address, tmp_path, max_bytes=limit):
                pass
        web.shutdown()
        thread.join()
