"""Turns through a real service."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.baselines.baseline import baseline_path
from emovox.emotions import NAMES
from emovox.errors import OptionsError, ServiceError, ServiceUnreachableError
from emovox.inference.recognizer import Recognizer
from emovox.inference.turn import Turn
from emovox.live_client import LiveClient
from emovox.turns import Turns
from support.baselines import baseline
from support.service import Client, serving
from support.waiting import until

SECOND = 16_000
Waveform = NDArray[np.float32]


@pytest.fixture(autouse=True)
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is late leaves some out, and then no two runs are alike."""
    monkeypatch.setattr("emovox.server.routes.live.LATE", 1e9)
    monkeypatch.setattr("emovox.live_client.PATIENCE", 60)


def turn_of(turns: Turns, speech: Waveform) -> Turn | None:
    turns.begin()
    for first in range(0, len(speech), 4000):
        turns.push(speech[first : first + 4000], SECOND)
        until(turns._orders.empty)
    return turns.end().result(60)


def test_a_service_hears_the_same(shared: Client, recognizer: Recognizer, speech: Waveform) -> None:
    own = baseline(recognizer.metadata)
    own.write(baseline_path("line4"))
    url = str(shared.base_url)
    here = Turns(recognizer, baseline="line4", expect={"neutral": 0.8}, emotions=["angry", "sad", "neutral"])
    there = Turns(url=url, baseline="line4", expect={"neutral": 0.8}, emotions=["angry", "sad", "neutral"])
    one, other = turn_of(here, speech), turn_of(there, speech)
    here.close()
    there.close()
    baseline_path("line4").unlink()
    assert one is not None
    assert other is not None
    assert other.baseline == one.baseline
    assert one.baseline is not None
    assert (other.start, other.end, other.speech) == (one.start, one.end, one.speech)
    assert other.scores == pytest.approx(one.scores)
    assert other.scores_without == pytest.approx(one.scores_without)
    assert other.scores is not None
    assert set(other.scores) == set(NAMES)


def test_what_the_service_refuses_is_told(shared: Client, speech: Waveform) -> None:
    turns = Turns(url=str(shared.base_url), baseline="nowhere")
    turns.ready.result(60)
    with pytest.raises(ServiceError, match="baseline"):
        turn_of(turns, speech)
    turns.close()


def test_who_speaks_must_be_told_where_the_policy_says_so(tmp_path: Path, speech: Waveform) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('profile = "open"\nnotice = true\n')
    with serving(tmp_path / "outputs", policy=policy) as client:
        turns = Turns(url=str(client.base_url))
        with pytest.raises(ServiceError, match="notice=True"):
            turn_of(turns, speech)
        turns.close()
        turns = Turns(url=str(client.base_url), notice=True)
        assert turn_of(turns, speech) is not None
        turns.close()


def test_a_service_that_ends_and_comes_back(tmp_path: Path, speech: Waveform) -> None:
    with serving(tmp_path / "outputs") as client:
        turns = Turns(url=str(client.base_url))
        assert turn_of(turns, speech) is not None
    with pytest.raises(ServiceUnreachableError, match="emovox serve"):
        turn_of(turns, speech)
    turns.close()


def test_nothing_answers() -> None:
    turns = Turns(url="http://localhost:1")
    with pytest.raises(ServiceUnreachableError, match="localhost:1 can't be reached"):
        turns.ready.result(60)
    turns.close()


def test_what_cannot_be_sent(recognizer: Recognizer) -> None:
    with pytest.raises(OptionsError, match="the name of a baseline"):
        LiveClient("http://localhost:1", baseline=baseline(recognizer.metadata))
    with pytest.raises(OptionsError, match="the name of a head"):
        LiveClient("http://localhost:1", head=Path("head.npz"))
    with pytest.raises(OptionsError, match="begins with http"):
        LiveClient("localhost:7860")
