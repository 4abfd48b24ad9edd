"""`emovox mcp` as assistants have it: a process that they start, or that they reach over HTTP."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from support.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"
ANGRY = "clips/emodb_03b01Wa_angry.flac"
EMOVOX = ["-m", "emovox", "mcp", "--folder", f"clips={EXAMPLES}"]
Run = Callable[..., tuple[int, str, str]]


async def _questions(client: Client) -> list[Any]:
    tools = await client.list_tools()
    listing = await client.call_tool("list_recordings", {})
    verdict = await client.call_tool("recognize", {"recording": ANGRY})
    refused = await client.call_tool("recognize", {"recording": "clips/../pyproject.toml"})
    again = await client.call_tool("summarize", {"recording": ANGRY, "language": "zh"})
    return [tools, listing, verdict, refused, again]


def _check(answers: list[Any]) -> None:
    tools, listing, verdict, refused, again = answers
    assert len(tools.tools) == 5
    assert ANGRY in listing.structured_content["recordings"]
    assert verdict.structured_content["emotion"] == "angry"
    assert refused.is_error
    assert again.structured_content["sentence"] == "听起来是愤怒的语气。"


def test_a_process_of_the_assistants(tmp_path: Path) -> None:
    """Also where variables would have spans of the SDK sent to a collector."""
    spans = {"OTEL_PYTHON_TRACER_PROVIDER": "none-that-there-is", "OTEL_TRACES_EXPORTER": "otlp"}
    parameters = StdioServerParameters(
        command=sys.executable, args=EMOVOX, env={**os.environ, **spans}, cwd=str(tmp_path)
    )

    async def ask() -> list[Any]:
        with (tmp_path / "errors").open("w") as errors:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                return await _questions(client)

    _check(anyio.run(ask))
    assert "Traceback" not in (tmp_path / "errors").read_text()
    assert {path.name for path in tmp_path.iterdir()} <= {"errors", "cache"}, "nothing is stored"


def test_it_ends_when_the_assistant_does() -> None:
    done = subprocess.run([sys.executable, *EMOVOX], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_interrupt_ends_it_though_the_stream_is_open(tmp_path: Path) -> None:
    hello = (
        b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", '
        b'"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}\n'
    )
    with subprocess.Popen(
        [sys.executable, *EMOVOX],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(hello)
            process.stdin.flush()
            assert b"instructions" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()


@contextmanager
def serving(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process that listens, and its address."""
    with (place / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *EMOVOX, "--transport", "http", "--port", "0"], stderr=errors, cwd=place
        )

    def told() -> str:
        return (place / "errors").read_text()

    try:
        until(lambda: "listens on" in told() or process.poll() is not None)
        address = re.search(r"listens on (http://127\.0\.0\.1:\d+/mcp)", told())
        assert address is not None, told()
        yield process, address[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_over_http(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, address):

        async def ask() -> list[Any]:
            async with Client(address) as client:
                return await _questions(client)

        _check(anyio.run(ask))
        port = int(address.rpartition(":")[2].partition("/")[0])
        hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        accept = {"Accept": "application/json, text/event-stream"}
        for headers, status in (
            ({"Host": "evil.example"}, 421),  # a name that was made to mean this machine
            ({"Host": f"evil.example:{port}"}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
        ):
            assert httpx.post(address, json=hello, headers={**accept, **headers}).status_code == status
        hosts = {item[4][0] for item in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
        for host in hosts - {"127.0.0.1", "127.0.1.1"}:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((str(host), port), timeout=10)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("mcp", "--folder", f"clips={EXAMPLES}", "--transport", "http", "--port", port)
    assert code == 2
    assert "--port" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing is granted"),
        (["--folder", "clips=.", "--port", "7871"], "--transport http"),
        (["--folder", "clips"], "NAME=DIR"),
        (["--folder", "clips=no-such-directory"], "no directory"),
        (["--folder", "a/b=."], "a name has"),
        (["--folder", "a=.", "--folder", "a=/"], "twice"),
        (["--folder", "a=.", "--baseline", "none"], "baseline"),
        (["--folder", "a=.", "--side", "boss"], "choose customer"),
    ],
)
def test_what_cant_be_granted_is_refused(run: Run, arguments: list[str], reason: str) -> None:
    code, _, err = run("mcp", *arguments)
    assert code in {1, 2}
    assert reason in err
