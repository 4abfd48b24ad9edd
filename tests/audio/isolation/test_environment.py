import asyncio
from pathlib import Path

import pytest

from emovox.audio.isolation.process import Process

SECRETS = (
    "EMOVOX_DATABASE", "EMOVOX_WEBHOOK_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN",
    "PGPASSWORD", "GITHUB_TOKEN", "PYTHON_KEYRING_TOKEN", "PYTHONSTARTUP", "SSH_AUTH_SOCK", "HTTPS_PROXY", "LC",
    "A_SECRET",
)  # fmt: skip


def test_a_decoding_process_sees_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("LC_MESSAGES", "C.UTF-8")
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def read() -> bytes:
        process = await Process.start(memory=2**31, stall=3)
        try:
            return Path(f"/proc/{process.pid}/environ").read_bytes()
        finally:
            await process.kill()

    found = dict(line.split("=", 1) for line in asyncio.run(read()).decode().split("\0") if line)
    assert not set(SECRETS) & set(found)
    assert "hunter2" not in found.values()
    assert (found["LC_MESSAGES"], found["TMPDIR"]) == ("C.UTF-8", str(tmp_path))
    assert "PATH" in found
