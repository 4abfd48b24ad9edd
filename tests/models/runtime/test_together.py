import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.models.named import CATALOG
from emovox.models.runtime import together
from emovox.models.runtime.engine import Engine
from emovox.models.runtime.session import EngineName
from emovox.models.runtime.together import LONGEST, ROWS, Together
from support.waiting import until

Inputs = Mapping[str, NDArray[Any]]


class Session:
    """Doubles what it is given, once it is let; keeps the shapes that it ran."""

    def __init__(self, *, most: int = max(ROWS)) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.gate = threading.Event()
        self.together = Together(self._run, rows=[rows for rows in ROWS if rows <= most])

    def _run(self, outputs: Sequence[str], inputs: Inputs) -> list[NDArray[Any]]:
        self.shapes.append(inputs["waveform"].shape)
        assert self.gate.wait(60)
        if (inputs["waveform"] < 0).any():
            raise ValueError("negative")
        return [2 * inputs["waveform"], inputs["samples"]]

    def give(self, value: float, width: int = 4, name: str = "frames") -> float:
        inputs = {"waveform": np.full((1, width), value, np.float32), "samples": np.array([int(value)])}
        twice, samples = self.together.run([name], inputs)
        assert twice.shape == (1, width)
        assert samples == [int(value)]
        return float(twice[0, 0])


def behind(session: Session, *calls: Callable[[], float]) -> list[Any]:
    """The results of calls that come, in this order, while another runs."""
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        first = pool.submit(session.give, 0)
        until(lambda: len(session.shapes) == 1)
        futures = []
        for call in calls:
            futures.append(pool.submit(call))
            until(lambda: len(session.together._waiting) == len(futures))
        session.gate.set()
        assert first.result(60) == 0
        return [future.exception(60) or future.result() for future in futures]


def test_what_waits_runs_together() -> None:
    session = Session()
    results = behind(session, *(lambda value=value: session.give(value) for value in range(1, 8)))
    assert results == [2, 4, 6, 8, 10, 12, 14]
    assert session.shapes == [(1, 4), (4, 4), (2, 4), (1, 4)]


def test_only_windows_of_one_length_and_for_the_same_outputs_do() -> None:
    session = Session()
    results = behind(
        session,
        lambda: session.give(1),
        lambda: session.give(2, width=5),
        lambda: session.give(3, name="embedding"),
        lambda: session.give(4),
    )
    assert results == [2, 4, 6, 8]
    assert session.shapes == [(1, 4), (2, 4), (1, 5), (1, 4)]


def test_long_windows_run_alone() -> None:
    session = Session()
    width = LONGEST // 2 + 1
    assert behind(session, lambda: session.give(1, width), lambda: session.give(2, width)) == [2, 4]
    assert session.shapes[1:] == [(1, width)] * 2


def test_each_runs_alone_where_rows_depend_on_each_other() -> None:
    session = Session(most=1)
    assert behind(session, lambda: session.give(1), lambda: session.give(2)) == [2, 4]
    assert session.shapes == [(1, 4)] * 3


def test_an_error_is_everybodys_and_the_next_run_goes_on() -> None:
    session = Session()
    one, two, three = behind(
        session, lambda: session.give(-1), lambda: session.give(1), lambda: session.give(2, width=5)
    )
    assert isinstance(one, ValueError)
    assert isinstance(two, ValueError)
    assert three == 4
    assert session.give(1) == 2


def test_who_is_interrupted_while_waiting_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            until(lambda: len(session.together._waiting) == 2)
            raise KeyboardInterrupt

    events = iter([threading.Event(), Interrupted(), threading.Event()])
    call = together._Call.__init__

    def begin(self: together._Call, *arguments: Any) -> None:
        call(self, *arguments)
        self.woken = next(events)

    monkeypatch.setattr(together._Call, "__init__", begin)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(session.give, 0)
        until(lambda: len(session.shapes) == 1)
        second = pool.submit(session.give, 1)
        until(lambda: len(session.together._waiting) == 1)
        third = pool.submit(session.give, 2)
        assert isinstance(second.exception(60), KeyboardInterrupt)
        session.gate.set()
        assert (first.result(60), third.result(60)) == (0, 4)
    assert session.shapes == [(1, 4)] * 2


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_the_bundled_model_gives_the_same_to_the_bit(speech: np.ndarray, name: EngineName) -> None:
    if name == "openvino":
        pytest.importorskip("openvino")
    [path] = [entry.file for entry in CATALOG if entry.name == "lite"]
    assert isinstance(path, Path)
    engine = Engine(path, engine=name, threads=1)
    windows = [
        speech[start : start + size]
        for start, size in zip(range(0, 16_000, 1000), [32_000, 15_001] * 8, strict=True)
    ]
    alone = [engine.run([window], frame_logits=True, frames=True)[0] for window in windows]
    with ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(lambda window: engine.run([window], frame_logits=True, frames=True)[0], windows))
    for one, other in zip(alone, crowd, strict=True):
        np.testing.assert_array_equal(one.embedding, other.embedding)
        np.testing.assert_array_equal(one.logits["emotion"], other.logits["emotion"])
        np.testing.assert_array_equal(one.frame_logits["emotion"], other.frame_logits["emotion"])
        np.testing.assert_array_equal(one.frames, other.frames)
