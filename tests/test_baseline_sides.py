"""A baseline says whose voices it is of: at every entry it is kept, and declares what is recognised with it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit
from emovox.errors import PolicyError
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.outputs import read_result
from emovox.policy import Policy, Side
from emovox.settings import settings
from support.service import Client, serving

Run = Callable[..., tuple[int, str, str]]


def made(recognizer: Recognizer, side: Side | None, name: str = "line3") -> Baseline:
    """A baseline of three voices of a side, among the user's."""
    rows = np.random.default_rng(0).standard_normal((3, recognizer.metadata.embedding_size))
    [item] = fit(name, rows, recognizer.metadata, sides=[side] * 3)
    item.write(baseline_path(name))
    return item


@pytest.fixture
def eu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()


def test_it_has_the_side_that_all_of_its_recordings_have(recognizer: Recognizer) -> None:
    rows = np.ones((2, recognizer.metadata.embedding_size))
    sides: list[tuple[list[Side | None], Side | None]] = [
        (["worker", "worker"], "worker"), (["worker", "customer"], None), (["worker", None], None),
    ]  # fmt: skip
    for given, expected in sides:
        [whole, first, second] = fit("x", rows, recognizer.metadata, sides=given, groups=["a", "b"])
        assert whole.side == expected
        assert [first.side, second.side] == given


def test_it_survives_its_file_and_one_without_a_side_has_the_checksum_that_it_had(recognizer: Recognizer) -> None:
    item = made(recognizer, "worker")
    assert Baseline.find("line3").side == item.anonymous.side == "worker"
    plain = made(recognizer, None)
    assert "side" not in json.loads(baseline_path("line3").read_text())
    assert plain.checksum != item.checksum


def test_what_is_said_of_the_recording_holds_and_else_its_baseline_says_it(recognizer: Recognizer) -> None:
    worker, plain = made(recognizer, "worker"), made(recognizer, None)
    assert Options.of(baseline=worker).declared_side(1) == "worker"
    assert Options.of(baseline=worker, side="customer").declared_side(1) == "customer"
    assert Options.of(baseline=worker, side="customer,open", channel=2).declared_side(2) == "worker"
    assert Options.of(baseline=plain).declared_side(1) is None
    assert Options.of(baseline="self").declared_side(1) is None


def test_under_eu_a_workers_baseline_means_talk_time_only(recognizer: Recognizer, examples: list[Path]) -> None:
    worker = made(recognizer, "worker")
    everything = recognizer.recognize(examples[0], baseline=worker)
    assert (everything.recording.side, everything.is_inferred) == ("worker", True)
    strict = Recognizer("lite", policy=Policy("eu"))
    result = strict.recognize(examples[0], baseline=worker)
    assert (result.recording.side, result.is_inferred, result.emotion) == ("worker", False, None)
    assert strict.recognize(examples[0], baseline=worker, side="customer").is_inferred
    assert strict.live(baseline=worker).policy == strict.live(side="worker").policy
    demanding = Recognizer("lite", policy=Policy("eu", require=("side",)))
    with pytest.raises(PolicyError):
        demanding.recognize(examples[0])
    assert demanding.recognize(examples[0], baseline=made(recognizer, "customer")).recording.side == "customer"


def test_the_command_keeps_it_and_recognises_by_it(
    run: Run, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("baseline", "fit", *examples[:3], "--name", "line3", "--side", "worker", "--model", "lite")
    assert code == 0, err
    assert Baseline.find("line3").side == "worker"
    assert "side      worker" in run("baseline", "show", "line3")[1]
    [listed] = json.loads(run("baseline", "list", "--format", "json")[1])
    assert listed["side"] == "worker"
    assert "worker" in run("baseline", "list")[1]
    code, out, err = run("recognize", examples[4], "--baseline", "line3", "--model", "lite", "--format", "csv")
    assert code == 0, err
    [row] = csv.DictReader(out.splitlines())
    assert row["side"] == "worker"
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    run("recognize", examples[4], "--baseline", "line3", "--model", "lite", "--outputs", tmp_path / "o")
    [directory] = (tmp_path / "o").glob("outputs_*")
    assert not read_result(directory).is_inferred
    code, _, err = run("baseline", "fit", examples[0], "--name", "other", "--side", "worker", "--model", "lite")
    assert code != 0
    assert "a baseline can't be had of a worker's voice" in err


def test_of_the_archive_it_is_what_the_archive_says_or_else_what_is_said(run: Run, examples: list[Path]) -> None:
    run("recognize", examples[0], "--model", "lite", "--archive", "--side", "customer")
    fit_ = ("baseline", "fit", "--archive", "--model", "lite", "--name", "line3", "--yes")
    assert run(*fit_)[0] == 0
    assert Baseline.find("line3").side == "customer"
    run("recognize", examples[1], "--model", "lite", "--archive")
    assert run(*fit_)[0] == 0
    assert Baseline.find("line3").side is None
    assert run(*fit_, "--side", "customer")[0] == 0
    assert Baseline.find("line3").side == "customer"
    assert run(*fit_, "--side", "customer,worker")[0] == 2


def test_a_batch_knows_it(
    run: Run, recognizer: Recognizer, examples: list[Path], tmp_path: Path, eu: None
) -> None:
    made(recognizer, "worker")
    code, _, err = run(
        "batch", examples[0].parent, "--out", tmp_path / "out", "--model", "lite", "--baseline", "line3"
    )
    assert code == 0, err
    from pyarrow import parquet  # noqa: PLC0415

    table = parquet.read_table(tmp_path / "out" / "recognitions")
    assert set(table["side"].to_pylist()) == {"worker"}
    assert set(table["emotion"].to_pylist()) == {None}


def test_over_http_it_is_declared_told_and_obeyed(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(client: Client, **more: object) -> dict[str, object]:
        answer = client.post("/v1/baselines", json={"name": "line3", "replace": True, **more})
        assert answer.status_code == 201, answer.text
        view: dict[str, object] = answer.json()
        return view

    with serving(tmp_path / "outputs") as client:
        plain, customer = (
            client.post_file(path, **more).headers["location"].rpartition("/")[2]
            for path, more in ((examples[0], {}), (examples[1], {"side": "customer"}))
        )
        assert ask(client, outputs=[plain])["side"] is None
        assert ask(client, outputs=[customer])["side"] == "customer"
        assert ask(client, outputs=[plain, customer])["side"] is None
        assert ask(client, outputs=[plain], side="worker")["side"] == "worker"
        assert client.get("/v1/baselines/line3").json()["side"] == "worker"
        files = [("file", (path.name, path.read_bytes())) for path in examples[:2]]
        form = {"name": "agents", "side": "worker"}
        assert client.post("/v1/baselines", files=files, data=form).json()["side"] == "worker"
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    with serving(tmp_path / "outputs", policy="eu") as client:
        for name in ("line3", "agents"):
            result = client.post_file(examples[2], baseline=name).json()
            assert (result["recording"]["side"], result["policy"]["inferred"]) == ("worker", False)
        assert "emotion" in client.post_file(examples[2], baseline="line3", side="customer").json()
        refused = client.post("/v1/baselines", json={"name": "x", "outputs": [plain], "side": "worker"})
        assert (refused.status_code, refused.json()["title"]) == (422, "Not allowed by the policy")
