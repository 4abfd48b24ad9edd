import threading
from typing import Any

import pytest

from emovox.errors import ModelError, PrecisionError
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.recognizer import Recognizer


def test_models_come_and_go() -> None:
    loaded: list[str] = []

    def load(choice: ModelChoice) -> Any:
        name = choice.model
        if name == "bad":
            raise ModelError("no")
        loaded.append(name)
        return object()

    pool = ModelPool(most=2, idle=0, load=load)
    with pool.borrow(ModelChoice("a")) as one, pool.borrow(ModelChoice("a")) as same:
        assert one is same
        pool.sweep()
        assert pool.names() == ["a"]
        with pool.borrow(ModelChoice("b")), pool.borrow(ModelChoice("c")):
            assert pool.names() == ["a", "b", "c"]  # all in use
    with pool.borrow(ModelChoice("d")):
        assert len(pool.names()) == 2
    with pytest.raises(ModelError), pool.borrow(ModelChoice("bad")):
        pass
    pool.sweep()
    assert pool.names() == []
    assert loaded == ["a", "b", "c", "d"]


def test_auto_is_a_model_with_a_name() -> None:
    pool = ModelPool(most=2, idle=9, load=lambda _: object())  # type: ignore[arg-type,return-value]
    with pool.borrow(ModelChoice("auto")) as one, pool.borrow(ModelChoice("lite")) as same:
        assert one is same
    assert pool.names() == ["lite"]


def test_a_precision_that_auto_chose_is_not_loaded_twice() -> None:
    pool = ModelPool(most=2, idle=9, load=lambda choice: Recognizer(choice.model, precision=choice.precision))
    with pool.borrow(ModelChoice("lite")) as one, pool.borrow(ModelChoice("lite", one.model.precision)) as same:
        assert one is same
    with (
        pytest.raises(PrecisionError, match="can't be computed in int8"),
        pool.borrow(ModelChoice("lite", "int8")),
    ):
        pass


def test_a_model_is_loaded_once_by_many() -> None:
    loads: list[str] = []
    start = threading.Barrier(8)

    def load(choice: ModelChoice) -> Any:
        loads.append(choice.model)
        return object()

    pool = ModelPool(most=1, idle=9, load=load)

    def use() -> None:
        start.wait()
        with pool.borrow(ModelChoice("a")):
            pass

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"]
