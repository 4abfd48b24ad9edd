import asyncio
import contextlib
import heapq
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emovox.audio.decoded import Decoded
from emovox.errors import ModelError, PrecisionError
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.server.http.problems import Problem
from emovox.server.inference_queue import BYTE_RATE, InferenceQueue
from emovox.server.jobs.progress import JobProgress
from support.waiting import until


def models(recognizer: Any, **changes: Any) -> ModelPool:
    return ModelPool(most=2, idle=100, load=lambda _: recognizer, **changes)


def test_each_gets_its_own_whether_alone_or_together(
    recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [Options(), Options(segments=True), Options(granularity="frame"), Options(emotions=["sad", "happy"])]
    requests = [Request(path, option) for path in examples for option in wanted]
    alone = [recognizer.recognize_together([request])[0] for request in requests]
    together: list[int] = []
    heard = recognizer.recognize_together

    def counting(batch: list[Request]) -> Any:
        together.append(len(batch))
        return heard(batch)

    monkeypatch.setattr(recognizer, "recognize_together", counting)
    monkeypatch.setattr(recognizer._engine, "batches", True)

    async def main() -> list[Recognition]:
        queue = InferenceQueue(models(recognizer), size=100, threads=1)
        try:
            return await asyncio.gather(*(queue.hear(ModelChoice("x"), request) for request in requests))
        finally:
            await asyncio.to_thread(queue.close)

    for one, other in zip(alone, asyncio.run(main()), strict=True):
        assert isinstance(one, Recognition)
        assert (one.recording, one.emotion) == (other.recording, other.emotion)
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=2e-3)
        assert (one.frames is None, one.segments is None) == (other.frames is None, other.segments is None)
    assert max(together) > 8


def test_it_is_bounded_and_holds_places(recognizer: Recognizer) -> None:
    queue = InferenceQueue(models(recognizer), size=2, threads=1)
    try:
        with queue.reserve(), queue.reserve():
            with pytest.raises(Problem) as caught, queue.reserve():
                pass
            assert caught.value.status == 503
            assert "Retry-After" in caught.value.headers
        with queue.reserve():
            assert queue.length == 1
    finally:
        queue.close()
    with pytest.raises(Problem, match="stopping"):
        queue.check()


@given(data=st.data())
def test_clients_are_not_sent_away_for_longer_than_it_takes(data: st.DataObject) -> None:
    """Each recording takes some time, and each second of it some more; whatever was heard, and waits now."""
    lengths = st.lists(st.floats(0.1, 3600), min_size=1, max_size=80)
    each, per_second = data.draw(st.floats(0, 10)), data.draw(st.floats(1e-4, 1))
    threads = data.draw(st.integers(1, 4))
    with contextlib.ExitStack() as stack:
        queue = InferenceQueue(models(None), size=80, threads=threads)
        stack.callback(queue.close)
        for seconds in data.draw(lengths):
            queue._measure(1, seconds, each + per_second * seconds)
        idle = [0.0] * threads
        for seconds in data.draw(lengths):
            progress = JobProgress(size=round(seconds * data.draw(st.floats(1000, BYTE_RATE))))
            if data.draw(st.booleans()):
                progress.decoded(seconds)
                progress.inferred = seconds * data.draw(st.sampled_from([0, 0, 0.5, 0.99]))
            stack.enter_context(queue.reserve(progress))
            heapq.heapreplace(idle, idle[0] + each + per_second * (seconds - progress.inferred))
        assert 0 <= queue.seconds_left() <= max(idle) * 1.001


def test_the_pace_is_that_of_recordings(
    recognizer: Recognizer, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    """It is measured where they are heard; loading the model doesn't count."""

    def load(_: ModelChoice) -> Recognizer:
        time.sleep(0.5)
        return recognizer

    def decoded(seconds: float) -> Decoded:
        samples = np.resize(speech, round(16_000 * seconds))
        (path := tmp_path / f"{seconds}").write_bytes(samples.tobytes())
        return Decoded(path, None, "0" * 64, 16_000, 1, None, None, len(samples), ())

    async def main() -> None:
        queue = InferenceQueue(ModelPool(most=2, idle=100, load=load), size=9, threads=1)
        try:
            assert queue.seconds_left() == 0
            for seconds in (0.5, 2.0, 1.0):
                await queue.hear(ModelChoice("x"), Request(decoded(seconds)))
            until(lambda: queue.heard == 3.5)  # noted a moment after the last answer
            recordings, sound, work = queue._lately
            assert (recordings, sound) == pytest.approx((2.71, 0.5 * 0.81 + 2 * 0.9 + 1))
            assert 0 < work < queue.busy - 0.4
            assert queue.pace == pytest.approx((work / sound, work / recordings))
        finally:
            await asyncio.to_thread(queue.close)

    asyncio.run(main())


def test_failures_reach_whoever_waits_and_nobody_else(recognizer: Recognizer, examples: list[Path]) -> None:
    class Failing:
        batches = False

        def recognize_together(self, requests: list[Request]) -> list[Any]:
            if requests[0].name == "bad":
                raise ZeroDivisionError
            return recognizer.recognize_together(requests)

    async def main() -> None:
        queue = InferenceQueue(models(Failing()), size=9, threads=1)
        with pytest.raises(ZeroDivisionError):
            await queue.hear(ModelChoice("x"), Request(examples[0], name="bad"))
        assert (await queue.hear(ModelChoice("x"), Request(examples[0]))).emotion == "angry"
        await asyncio.to_thread(queue.close)

    asyncio.run(main())


def test_models_come_and_go() -> None:
    loaded: list[str] = []

    def load(choice: ModelChoice) -> Any:
        name = choice.model
        if name == "bad":
            raise ModelError("no")
        loaded.append(name)
        return object()

    held = ModelPool(most=2, idle=0, load=load)
    with held.borrow(ModelChoice("a")) as one, held.borrow(ModelChoice("a")) as same:
        assert one is same
        held.sweep()
        assert held.names() == ["a"]
        with held.borrow(ModelChoice("b")), held.borrow(ModelChoice("c")):
            assert held.names() == ["a", "b", "c"]  # all in use
    with held.borrow(ModelChoice("d")):
        assert len(held.names()) == 2
    with pytest.raises(ModelError), held.borrow(ModelChoice("bad")):
        pass
    held.sweep()
    assert held.names() == []
    assert loaded == ["a", "b", "c", "d"]


def test_auto_is_a_model_with_a_name() -> None:
    held = ModelPool(most=2, idle=9, load=lambda _: object())  # type: ignore[arg-type,return-value]
    with held.borrow(ModelChoice("auto")) as one, held.borrow(ModelChoice("lite")) as same:
        assert one is same
    assert held.names() == ["lite"]


def test_a_precision_that_auto_chose_is_not_loaded_twice() -> None:
    held = ModelPool(most=2, idle=9, load=lambda choice: Recognizer(choice.model, precision=choice.precision))
    with held.borrow(ModelChoice("lite")) as one, held.borrow(ModelChoice("lite", one.model.precision)) as same:
        assert one is same
    with pytest.raises(PrecisionError, match="can't be run in int8"), held.borrow(ModelChoice("lite", "int8")):
        pass


def test_a_model_is_loaded_once_by_many() -> None:
    loads: list[str] = []
    start = threading.Barrier(8)

    def load(choice: ModelChoice) -> Any:
        loads.append(choice.model)
        return object()

    held = ModelPool(most=1, idle=9, load=load)

    def use() -> None:
        start.wait()
        with held.borrow(ModelChoice("a")):
            pass

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"]
