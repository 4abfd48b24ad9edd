import io
import subprocess
import sys

from emovox.audio.isolation.worker import Content

LIMIT = "from emovox.audio.isolation.worker import limit_memory; limit_memory(2**30); "


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_memory_is_limited() -> None:
    assert "MemoryError" in run(LIMIT + "bytearray(2**31)").stderr


def test_a_lower_limit_stays() -> None:
    """As a service manager sets one; it could not be raised."""
    lower = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); "
    assert run(lower + LIMIT + "print(resource.getrlimit(resource.RLIMIT_AS)[0])").stdout == f"{2**29}\n"


def test_content_ends_where_the_next_request_begins() -> None:
    pipe = io.BytesIO(b"abcdefgh{}")
    content = Content(pipe, 8)
    assert [content.read(5), content.read(5), content.read(5)] == [b"abcde", b"fgh", b""]
    assert pipe.read() == b"{}"
