"""What docs/library.md says of threads, processes, asyncio and pickling."""

import asyncio
import copy
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox import Recognition, Recognizer, errors
from emovox.archive import Archive
from emovox.client import Client
from support.heads import head
from support.results import nine

Scores = dict[str, float]


def _sent(thing: Any) -> Any:
    """As it arrives in another process."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  it was made here


@pytest.fixture
def expected(recognizer: Recognizer, examples: list[Path]) -> list[Scores]:
    return [dict(nine(recognizer.recognize(path))) for path in examples]


@pytest.mark.parametrize("isolate", [False, True])
def test_threads_may_share_a_recognizer(isolate: bool, examples: list[Path], expected: list[Scores]) -> None:
    recognizer = Recognizer("lite", isolate=isolate)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(recognizer.recognize, [*examples, *examples]))
    assert [result.scores for result in results] == [*expected, *expected]


def test_a_loop_recognises_in_threads(
    recognizer: Recognizer, examples: list[Path], expected: list[Scores]
) -> None:
    async def recognise() -> list[Recognition]:
        return await asyncio.gather(*(asyncio.to_thread(recognizer.recognize, path) for path in examples))

    assert [result.scores for result in asyncio.run(recognise())] == expected


@cache
def _own() -> Recognizer:
    return Recognizer("lite")


def _recognize(path: Path) -> Recognition:
    return _own().recognize(path, embedding=True)


def test_each_process_of_a_pool_makes_its_own(
    examples: list[Path], expected: list[Scores], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert [result.scores for result in pool.map(_recognize, examples)] == expected
        with pytest.raises(errors.RecordingNotFoundError) as caught:
            pool.submit(_recognize, tmp_path / "none.wav").result()
        assert caught.value.reason
        assert pool.submit(_recognize, examples[0]).result().emotion == "angry"  # the pool lives


@pytest.mark.skipif(sys.platform == "win32", reason="Windows doesn't fork")
def test_a_fork_makes_its_own(examples: list[Path]) -> None:
    code = """
import os, sys
from emovox import Recognizer

parents = Recognizer("lite")
expected = parents.recognize(sys.argv[1]).scores
child = os.fork()
if not child:
    os._exit(Recognizer("lite").recognize(sys.argv[1]).scores != expected)
_, status = os.waitpid(child, 0)
sys.exit(status != 0 or parents.recognize(sys.argv[1]).scores != expected)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(examples[0])], check=True)


def test_results_and_heads_are_pickled(recognizer: Recognizer, examples: list[Path]) -> None:
    own = head(recognizer.metadata)
    training = own.training.model_copy(update={"recordings": frozenset({"0" * 16})})
    own = own.model_copy(update={"training": training})
    result = recognizer.recognize(examples[0], granularity="frame", segments=True, embedding=True, head=own)
    for again in (_sent(result), copy.deepcopy(result)):
        assert again.to_json() == result.to_json()
        np.testing.assert_array_equal(again.embedding, result.embedding)
    again = _sent(own)
    assert again.model_dump_json() == own.model_dump_json()
    np.testing.assert_array_equal(again.weights, own.weights)
    [event, *_] = recognizer.live().push(np.zeros(16_000, np.float32))
    assert _sent(event) == event


def test_errors_are_pickled() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    special: dict[Any, tuple[Any, ...]] = {errors.ServiceError: (503, "urn:emovox:busy", "busy")}
    for kind in kinds:
        arguments = special.get(kind, ("why", "x.wav") if issubclass(kind, errors.AudioError) else ("why",))
        error = kind(*arguments)
        again = _sent(error)
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_what_belongs_to_a_process_says_so(recognizer: Recognizer, tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive, Client("http://127.0.0.1:1") as client:
        for thing in (recognizer, recognizer.live(), archive, client):
            for use in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=r"can't be pickled or copied: .* in each process"):
                    use(thing)


def test_threads_may_share_an_archive(recognizer: Recognizer, examples: list[Path], tmp_path: Path) -> None:
    results = [recognizer.recognize(path, embedding=True) for path in examples]
    with Archive(tmp_path / "archive.db") as archive, ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(archive.add, [*results, *results])) == len(results)
        near = list(pool.map(lambda result: archive.similar(result, k=3), results))
        assert near == [archive.similar(result, k=3) for result in results]
        assert len(archive.find()[0]) == len(results)
