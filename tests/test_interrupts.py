"""Ctrl-C at moments that are chosen: a module's import, a worker's start, the end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPT = """
import atexit, os, signal, sys, time

def interrupt():
    os.killpg(os.getpgrp(), signal.SIGINT)  # as a terminal does
    time.sleep(0.5)  # for the handler to run, which is here

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and any({word!r} in argument for argument in sys.orig_argv):
            {act}

sys.meta_path.insert(0, Finder())
"""
AT_ONCE = "interrupt()"
AS_ANOTHER_ERROR = """
            try: interrupt()
            except KeyboardInterrupt: raise ImportError("initialization failed") from None
"""
WORKER = "--multiprocessing-fork"


def run(tmp_path: Path, code: str, *arguments: object, ignored: bool = False) -> tuple[int, str]:
    """The exit code and standard error of the program, run in a group of its own, with `code` in each process."""
    place = tmp_path / "interrupting"
    place.mkdir()
    (place / "sitecustomize.py").write_text(code)
    paths = os.pathsep.join([str(place), *filter(None, sys.path)])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignored else None
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "emovox", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        if ignored:
            signal.signal(signal.SIGINT, before)
    with process:
        assert process.stderr is not None
        errors = process.stderr.read()  # all of the group have closed it
        return process.wait(), errors.strip()


@pytest.mark.parametrize("module", ["click", "pydantic", "emovox.cli.recognize", "numpy", "onnxruntime"])
@pytest.mark.parametrize("act", [AT_ONCE, AS_ANOTHER_ERROR])
def test_while_it_loads(tmp_path: Path, examples: list[Path], module: str, act: str) -> None:
    code = INTERRUPT.format(module=module, word="emovox", act=act)
    assert run(tmp_path, code, "recognize", examples[0], "--no-save") == (130, "interrupted")


@pytest.mark.parametrize("module", ["numpy", "onnxruntime"])
def test_while_a_worker_of_a_batch_loads(tmp_path: Path, examples: list[Path], module: str) -> None:
    code = INTERRUPT.format(module=module, word=WORKER, act=AT_ONCE)
    out = tmp_path / "heard"
    ended = run(tmp_path, code, "batch", examples[0].parent, "--out", out, "--workers", 1)
    assert ended == (130, "interrupted")


def test_no_interrupt_reaches_a_worker(tmp_path: Path, examples: list[Path]) -> None:
    code = INTERRUPT.format(module="numpy", word=WORKER, act="os.kill(os.getpid(), signal.SIGINT)")
    out = tmp_path / "heard"
    assert run(tmp_path, code, "batch", examples[0], "--out", out, "--workers", 1, "--quiet") == (0, "")


@pytest.mark.parametrize("module", ["uvicorn", "sqlalchemy", "emovox.server.http.event_loop"])
def test_while_the_service_loads(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    code = INTERRUPT.format(module=module, word="emovox", act=AT_ONCE)
    assert run(tmp_path, code, "serve", "--port", 0) == (130, "interrupted")


def test_in_a_destructor(tmp_path: Path, examples: list[Path]) -> None:
    act = "Doomed()\n\nclass Doomed:\n    __del__ = lambda self: interrupt()"
    code = INTERRUPT.format(module="onnxruntime", word="emovox", act=act)
    assert run(tmp_path, code, "recognize", examples[0], "--no-save") == (130, "interrupted")


def test_at_the_end_what_is_done_is_done(tmp_path: Path) -> None:
    code = INTERRUPT.format(module="none", word="", act="pass") + "atexit.register(interrupt)\n"
    assert run(tmp_path, code, "schema") == (0, "")


def test_in_the_background_it_stays_ignored(tmp_path: Path) -> None:
    code = INTERRUPT.format(module="click", word="emovox", act=AT_ONCE)
    assert run(tmp_path, code, "schema", ignored=True) == (0, "")
