import subprocess
import sys
from pathlib import Path

import pytest

from support import poison
from support.children import running
from support.waiting import until


def test_a_decoder_in_the_middle_of_its_work_ends_with_whoever_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (tmp_path / "x").write_bytes(b"no sound" + poison.WAIT)
    code = f"""
import asyncio, os
from emovox.audio.isolation.process import Process
async def main():
    process = await Process.start(memory=2**31, stall=60)
    await process.send({{"do": "count", "source": {str(tmp_path / "x")!r}, "name": None, "max_bytes": 10**9}})
    print(process.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    until(lambda: not running(done.stdout.strip()))
