import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from emovox.models.catalog import find
from emovox.models.named import CATALOG
from emovox.server.background import Work
from emovox.server.http.problems import Problem
from emovox.server.pulls import AT_ONCE, Pulls
from emovox.settings import settings
from support import wav2vec2_snapshots
from support.hub import Fault, Hub
from support.pulls import FILES, NAME, WEIGHTS, assert_absent, assert_complete, contents
from support.service import Client
from support.waiting import until

NAMES = [entry.name for entry in CATALOG if not entry.file]
URL = f"/v1/models/{NAME}/pull"


class Fetch:
    """A download that ends when it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self.error = 0, error
        self.release = threading.Event()

    def __call__(self, progress: Callable[[int, int], None]) -> None:
        self.calls += 1
        progress(self.calls, 10)
        self.release.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def fetch() -> Iterator[Fetch]:
    made = Fetch()
    yield made
    made.release.set()


def threads() -> int:
    return sum(thread.name.startswith("pull-") for thread in threading.enumerate())


def ended(pull: Work) -> Work:
    until(lambda: pull.ended)
    return pull


def test_whoever_asks_joins_the_one_that_runs(fetch: Fetch) -> None:
    pulls = Pulls()
    joined = [pulls.join(find(NAME), fetch) for _ in range(100)]
    assert len(set(map(id, joined))) == 1
    assert (fetch.calls, threads()) == (1, 1)
    until(lambda: joined[0].state == ("progress", {"done": 1, "total": 10}))
    fetch.release.set()
    assert ended(joined[0]).state == ("done", {"model": NAME})
    assert pulls.join(find(NAME), fetch) is not joined[0]  # whether the hub has something new
    until(lambda: fetch.calls == 2)


def test_one_that_failed_begins_anew() -> None:
    pulls, failing, good = Pulls(), Fetch(RuntimeError("secret")), Fetch()
    failing.release.set()
    good.release.set()
    kind, problem = ended(pulls.join(find(NAME), failing)).state
    assert (kind, problem["status"]) == ("failed", 500)
    assert "secret" not in str(problem)
    assert ended(pulls.join(find(NAME), good)).state[0] == "done"


def test_few_at_once(fetch: Fetch) -> None:
    pulls = Pulls()
    running = [pulls.join(find(name), fetch) for name in NAMES[:AT_ONCE]]
    with pytest.raises(Problem) as caught:
        pulls.join(find(NAMES[AT_ONCE]), fetch)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "60")
    assert pulls.join(find(NAMES[0]), fetch) is running[0]  # but joining is no other one
    fetch.release.set()
    for pull in running:
        ended(pull)
    assert ended(pulls.join(find(NAMES[AT_ONCE]), fetch)).state[0] == "done"


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    kind = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def test_one_that_all_its_listeners_leave_goes_on(shared: Client, served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=300_000)]
    with ExitStack() as stack:
        answers = [stack.enter_context(shared.stream("POST", URL)) for _ in range(5)]
        for answer in answers:
            kind, data = next(event for event in events(answer) if event[1]["done"] >= 300_000)
            assert (kind, data["total"]) == ("progress", sum(map(len, FILES.values())))
    assert threads() == 1
    served.released.set()
    with shared.stream("POST", URL) as answer:  # a later one joins, and learns of the end
        *_, (kind, data) = events(answer)
    assert (kind, data) == ("done", {"model": NAME})
    assert_complete()
    assert served.sent("model.pt") < 2 * len(WEIGHTS)


def test_a_pull_that_fails_is_told_and_may_be_tried_again(shared: Client, served: Hub) -> None:
    served.faults["listing"] = [Fault(status=404)] * 2
    with shared.stream("POST", URL) as answer:
        *_, (kind, problem) = events(answer)
    assert (kind, problem["type"]) == ("failed", "urn:emovox:hub-error")
    assert_absent()
    with shared.stream("POST", URL) as answer:
        *_, (kind, _) = events(answer)
    assert kind == "done"
    assert_complete()


def test_what_cannot_be_pulled(shared: Client) -> None:
    assert shared.post("/v1/models/lite/pull").status_code == 409
    assert shared.post("/v1/models/other/pull").status_code == 404


def test_a_model_of_anybody_s(shared: Client, served: Hub, examples: list[Path], tmp_path: Path) -> None:
    config = wav2vec2_snapshots.tiny(labels=wav2vec2_snapshots.NAMED)
    served.files = contents(wav2vec2_snapshots.write(tmp_path / "published", config))
    served.published = dict(served.files)
    name = "hf:some/model"
    assert shared.post_file(examples[0], model=name).json()["type"] == "urn:emovox:model-not-installed"
    for url in (f"/v1/models/{name}/pull", "/v1/models/hf%3Asome%2Fmodel/pull"):  # as the page writes it
        with shared.stream("POST", url) as answer:
            *_, (kind, data) = events(answer)
        assert (kind, data) == ("done", {"model": name})
    [model] = [model for model in shared.get("/v1/models").json() if model["name"] == name]
    assert (model["installed"], model["downloadable"], model["licence"]["name"]) == (True, False, "not stated")
    answer = shared.post_file(examples[0], model=name, precision="fp32")
    assert answer.json()["model"]["name"] == name, answer.text
    for wrong in ("hf:some", "hf:../model", "hf:some/../model", "hf:some/model/x"):
        assert shared.post_file(examples[0], model=wrong).status_code == 422
        assert shared.post(f"/v1/models/{wrong.replace('/', '%2F')}/pull").status_code == 404


def test_nothing_is_pulled_offline(shared: Client, served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_OFFLINE", "1")
    settings.cache_clear()
    for name in (NAME, "hf:some/model"):
        with shared.stream("POST", f"/v1/models/{name}/pull") as answer:
            *_, (kind, problem) = events(answer)
        assert (kind, problem["status"]) == ("failed", 503)
    assert served.requests == []
