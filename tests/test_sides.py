"""Of a worker's voice the policy `eu` gives talk time alone, whichever way it comes in, and no model is run."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.sync.client import connect

from emovox.archive import Archive, Filter
from emovox.archive.fitting import fit as fit_archive
from emovox.archive.importing import import_directories
from emovox.audio.decoded import decode_to
from emovox.baselines.baseline import Baseline
from emovox.batch.config import BatchConfig
from emovox.client import Client as OwnClient
from emovox.errors import ArchiveError, EmovoxError, PolicyError
from emovox.exports import FORMATS, values
from emovox.inference.live import LiveUpdate
from emovox.inference.options import Options, Request
from emovox.inference.recognition import NOT_INFERRED, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.splitting import join, outline
from emovox.models.runtime.engine import Engine
from emovox.policy import Policy
from emovox.settings import settings
from emovox.speech_embeddings import embed_speech, find_sources
from support.batches import run as run_batch
from support.batches import table
from support.service import Client, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


@pytest.fixture
def call(tmp_path: Path, speech: NDArray[np.float32], encode: Callable[..., Path]) -> Path:
    """Two people, one in each channel."""
    silence = np.zeros_like(speech)
    both = [np.concatenate([speech, silence]), np.concatenate([silence, speech])]
    return encode(np.stack(both), "call.wav", "pcm_s16le", sample_format="s16")


@pytest.fixture
def policed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()


@pytest.fixture
def silent(policed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model may be run."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr(Engine, "run", fail)


def is_talk_time(data: dict[str, Any], side: str = "worker") -> bool:
    """Whether a result has what it may have, and nothing else."""
    assert data["warnings"][-1] == NOT_INFERRED
    assert data["policy"] == {"profile": "eu", "inferred": False}
    assert data["recording"]["side"] == side
    assert data["recording"]["speech"] > 1
    assert set(data) == {
        "granularity", "timestamp", "schema", "created_at", "recording", "model", "emovox", "warnings", "readouts",
        "policy", "segments",
    }  # fmt: skip
    assert data["readouts"] == {}
    assert data["segments"]
    for segment in data["segments"]:
        assert segment.pop("readouts") == {}
        assert set(segment) == {"start", "end", "channel"}
    return True


def test_the_library(silent: None, clip: Path) -> None:
    recognizer = Recognizer("lite")
    asked: dict[str, Any] = {"granularity": "frame", "embedding": True, "segments": True, "merge": True}
    options = Options.of(**asked, side="pupil")
    [together] = recognizer.recognize_together([Request(clip, options)])
    assert isinstance(together, Recognition)
    assert is_talk_time(together.to_dict(), "pupil")
    assert Recognition.from_json(together.to_json()) == together
    for result in (
        recognizer.recognize(clip, **asked, side="worker"),
        recognizer.recognize(clip, speech_only=True, side=["worker"]),
        *recognizer.recognize_many([clip, clip], **asked, side="worker"),
    ):
        assert is_talk_time(result.to_dict())
        assert result.embedding is None
        assert result.mean_embedding is None
        assert result.frames is None


def test_the_model_is_run_on_others(silent: None, clip: Path) -> None:
    """Else these tests would prove nothing."""
    for side in (None, "customer", "subject"):
        with pytest.raises(AssertionError, match="the model was run"):
            Recognizer("lite").recognize(clip, side=side)


@pytest.mark.usefixtures("policed")
def test_talk_time_is_that_of_a_recognition(clip: Path, recognizer: Recognizer) -> None:
    whole = recognizer.recognize(clip, segments=True)
    withheld = Recognizer("lite").recognize(clip, side="worker")
    assert withheld.recording.speech == whole.recording.speech
    spans = [[(item.start, item.end) for item in result.segments or []] for result in (whole, withheld)]
    assert spans[0] == spans[1]


def test_without_a_side_nothing_is_different(clip: Path, recognizer: Recognizer) -> None:
    before = recognizer.recognize(clip, segments=True).to_dict()
    declared = recognizer.recognize(clip, segments=True, side="worker").to_dict()
    assert "policy" not in before
    assert "side" not in before["recording"]
    assert declared.pop("policy") == {"profile": "open", "inferred": True}
    assert declared["recording"].pop("side") == "worker"
    for result in (before, declared):
        del result["timestamp"], result["created_at"]
    assert declared == before


def test_an_exception_is_in_the_result(clip: Path) -> None:
    policy = Policy("eu", exception="medical: therapy")
    result = Recognizer("lite", policy=policy).recognize(clip, side="worker")
    assert result.emotion == "angry"
    assert result.to_dict()["policy"] == {
        "profile": "eu", "inferred": True, "exception": "medical: therapy"
    }  # fmt: skip


def test_a_side_that_is_required_and_missing(clip: Path) -> None:
    recognizer = Recognizer("lite", policy=Policy(require=("side",)))
    with pytest.raises(PolicyError, match="requires a side"):
        recognizer.recognize(clip)
    with pytest.raises(PolicyError, match="requires a side"):
        recognizer.live()
    assert recognizer.recognize(clip, side="customer").emotion == "angry"


@pytest.mark.usefixtures("policed")
def test_channels(call: Path) -> None:
    recognizer = Recognizer("lite", isolate=True)
    sides = "customer,worker"
    assert recognizer.recognize(call, channel=1, side=sides).emotion is not None
    assert is_talk_time(recognizer.recognize(call, channel=2, side=sides).to_dict())
    for wrong in ({"side": sides}, {"side": "customer,worker,open", "channel": 1}):
        with pytest.raises(PolicyError, match="sides of"):
            recognizer.recognize(call, **wrong)


def test_one_channel_is_not_taken_for_two(silent: None, clip: Path) -> None:
    """Of a mix of both nobody knows whose voice is where."""
    for isolate in (False, True):
        with pytest.raises(PolicyError, match="has 1"):
            Recognizer("lite", isolate=isolate).recognize(clip, channel=1, side="customer,worker")


def test_a_recording_in_pieces(silent: None, clip: Path, tmp_path: Path) -> None:
    recognizer, options = Recognizer("lite"), Options.of(side="worker", embedding=True, granularity="frame")
    decoded = decode_to(tmp_path / "wave", clip, name="x", channel=None, max_bytes=2**30, max_seconds=100)
    whole = outline(decoded, recognizer.metadata, options)
    assert whole.cuts == ()
    result = join(
        whole, [], recognizer.metadata, recognizer.functions, recognizer.metadata.classes, recognizer.model
    )
    assert is_talk_time(result.to_dict())


def test_live(silent: None, speech: NDArray[np.float32]) -> None:
    live = Recognizer("lite").live(side="worker", baseline="self")
    events = [*live.push(speech), *live.finish()]
    assert {type(event) for event in events} == {LiveUpdate}
    assert any(event.speech for event in events if isinstance(event, LiveUpdate))
    facts = [event.model_dump(exclude={"type", "time", "speech"}) for event in events]
    assert all(not any(item.values()) for item in facts)
    assert live.warnings == [NOT_INFERRED]
    assert live.policy is not None
    with pytest.raises(PolicyError, match="one voice"):
        Recognizer("lite").live(side="customer,worker")


def stored(root: Path = Path("outputs")) -> Iterator[dict[str, Any]]:
    for directory in sorted(root.glob("outputs_*")):
        assert not list(directory.glob("*.np[yz]")), directory
        yield json.loads((directory / "result.json").read_bytes())


def test_the_command(silent: None, run: Run, clip: Path) -> None:
    asked = [
        "--side",
        "worker",
        "--granularity",
        "frame",
        "--embedding",
        "--archive",
        "--export",
        ",".join(name for name in FORMATS if not values(name)),
    ]
    code, out, err = run("recognize", clip, "--model", "lite", *asked, "--format", "json")
    assert code == 0, err
    [result] = json.loads(out)
    place = Path(result.pop("outputs"))
    del result["path"]
    assert is_talk_time(result)
    assert all(is_talk_time(data) for data in stored())
    assert "not inferred (policy eu)" in (place / "segments.srt").read_text()
    assert (place / "segments.csv").read_text().splitlines()[1].endswith(",worker,eu")
    code, out, _ = run("archive", "list", "--filter", "side=worker", "--format", "json")
    [record] = json.loads(out)["recognitions"] if isinstance(json.loads(out), dict) else json.loads(out)
    assert (record["side"], record["policy"]["inferred"], record["emotion"]) == ("worker", False, None)
    with Archive() as archive:
        assert archive.embedding(record["id"]) is None
    code, out, _ = run("table", "recordings", "outputs")
    [row] = csv.DictReader(out.splitlines())
    assert (row["side"], row["policy"], row["emotion"], row["warnings"]) == ("worker", "eu", "", NOT_INFERRED)
    code, out, _ = run("table", "segments", "outputs")
    assert {(row["side"], row["emotion"]) for row in csv.DictReader(out.splitlines())} == {("worker", "")}


@pytest.mark.usefixtures("policed")
def test_the_command_by_channel(run: Run, call: Path, clip: Path) -> None:
    asked = ["--model", "lite", "--side", "customer,worker", "--no-save", "-q"]
    code, out, _ = run("recognize", call, "--channels", "split", *asked, "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0
    assert [(row["side"], bool(row["emotion"])) for row in rows] == [("customer", True), ("worker", False)]
    assert run("recognize", call, *asked)[0] == 2
    code, _, err = run("recognize", clip, "--channels", "split", *asked)
    assert (code, "has 1" in err) == (1, True)
    assert run("recognize", clip, "--side", "boss")[0] == 2


def test_the_command_refuses_once_where_a_side_is_required(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.toml").write_text('profile = "eu"\nrequire = ["side"]\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(tmp_path / "policy.toml"))
    code, _, err = run("recognize", clip, clip.with_name("x.wav"), "--model", "lite")
    assert (code, err.count("requires a side")) == (2, 1)


def test_listen(silent: None, run: Run, clip: Path) -> None:
    code, out, err = run(
        "listen", clip, "--fast", "--jsonl", "--events", "2", "--model", "lite", "--side", "worker"
    )
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert {event["type"] for event in events} == {"update"}
    assert {event["emotion"] for event in events} == {None}
    assert all(is_talk_time(data) for data in stored())
    assert NOT_INFERRED in err


@pytest.mark.parametrize("longest", [900.0, 1.0])
def test_batches(silent: None, clip: Path, tmp_path: Path, longest: float) -> None:
    options = Options.of(side="worker", embedding=True, granularity="frame", segments=True)
    run_batch(BatchConfig(str(clip), str(tmp_path / "out"), model="lite", options=options, longest=longest))
    [row] = table(tmp_path / "out")
    assert (row["side"], row["policy"], row["warnings"]) == ("worker", "eu", [NOT_INFERRED])
    empty = ("emotion", "confidence", "angry", "embedding", "frames", "frame_embeddings")
    assert not any(row[name] for name in empty)
    assert row["readouts"] in (None, [])
    assert row["speech"] > 1
    assert {(item["emotion"], item["embedding"]) for item in row["segments"]} == {(None, None)}


@pytest.mark.usefixtures("policed")
def test_batches_by_list(clip: Path, call: Path, tmp_path: Path) -> None:
    (tmp_path / "twin.flac").write_bytes(clip.read_bytes())
    rows = [f"{clip},worker,,", "twin.flac,customer,,", f"{call},,customer,pupil", "call.wav#,left,,"]
    (tmp_path / "list.csv").write_text("\n".join(["path,side,side_1,side_2", *rows]))
    wish = BatchConfig(
        str(tmp_path / "list.csv"), str(tmp_path / "out"), model="lite", split_channels=True,
        outputs_dirs=True, archive=True,
    )  # fmt: skip
    run_batch(wish)
    sides = {(Path(row["path"]).name, row["side"], bool(row["emotion"])) for row in table(tmp_path / "out")}
    assert sides == {
        (clip.name, "worker", False),
        ("twin.flac", "customer", True),
        ("call.wav", "customer", True),
        ("call.wav", "pupil", False),
    }
    [error] = table(tmp_path / "out", "errors")
    assert "side 'left'" in error["reason"]


@pytest.mark.usefixtures("policed")
def test_batches_relative_to_all(examples: list[Path], tmp_path: Path) -> None:
    rows = [f"{path},{'worker' if number % 2 else 'customer'}" for number, path in enumerate(examples)]
    (tmp_path / "list.csv").write_text("\n".join(["path,side", *rows]))
    options = Options.of(baseline="corpus", embedding=True)
    run_batch(BatchConfig(str(tmp_path / "list.csv"), str(tmp_path / "out"), model="lite", options=options))
    for row in table(tmp_path / "out"):
        assert (row["emotion"] is None) == (row["embedding"] is None) == (row["side"] == "worker")


def test_batches_without_sides_have_the_columns_that_they_had(clip: Path, tmp_path: Path) -> None:
    run_batch(BatchConfig(str(clip), str(tmp_path / "out"), model="lite"))
    assert not {"side", "policy"} & table(tmp_path / "out")[0].keys()


def test_the_service(silent: None, clip: Path, call: Path, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    with serving(tmp_path / "outputs", policy="eu") as client:
        assert client.get("/v1/policy").json()["talk_time_only"] == ["worker", "pupil"]
        asked = {
            "side": "worker",
            "granularity": "frame",
            "segments": "true",
            "embedding": "true",
            "export": "srt",
        }
        answer = client.post_file(clip, **asked)
        assert is_talk_time(answer.json()), answer.text
        id_ = answer.headers["location"].rpartition("/")[2]
        job = client.post(
            "/v1/recognitions",
            params={"side": "worker"},
            content=clip.read_bytes(),
            headers={"Prefer": "respond-async", "Content-Type": "application/octet-stream"},
        ).json()
        assert client.finished(job["id"])["state"] == "done"
        assert is_talk_time(client.get(f"/v1/jobs/{job['id']}/result").json())
        batch = client.post_file(call, "/v1/batches", side="worker,pupil", split_channels="true").json()
        for one, side in zip(
            sorted(batch["jobs"], key=lambda item: item["channel"]), ("worker", "pupil"), strict=True
        ):
            assert client.finished(one["id"])["state"] == "done"
            assert is_talk_time(client.get(f"/v1/jobs/{one['id']}/result").json(), side)
        mono = client.post_file(clip, "/v1/batches", side="customer,worker", split_channels="true").json()
        assert client.finished(mono["jobs"][0]["id"])["state"] == "failed"
        assert client.post_file(clip, side="customer,worker").status_code == 422
        assert client.post_file(clip, side="boss").status_code == 422
        events = list(live(client, speech, side="worker", store=True))
        assert {event["emotion"] for event in events[:-1] if event["type"] == "update"} == {None}
        assert events[-1]["policy"] == {"profile": "eu", "inferred": False}
        assert events[-1]["warnings"] == [NOT_INFERRED]
        assert is_talk_time(client.get(f"/v1/outputs/{events[-1]['output']}/files/result.json").json())
        with OwnClient(str(client.base_url)) as own:
            assert is_talk_time(own.recognize(clip, side="worker").to_dict())
        assert len(list(stored(tmp_path / "outputs"))) == 6
        summaries = client.get("/v1/outputs").json()["outputs"]
        assert {(item["side"], item["policy"]["inferred"]) for item in summaries} <= {
            ("worker", False), ("pupil", False),
        }  # fmt: skip
        found = client.get("/v1/archive", params={"side": "worker"}).json()["recognitions"]
        assert {item["side"] for item in found} == {"worker"}
        assert client.get(f"/v1/outputs/{id_}/similar").status_code in {409, 422}
        assert client.get(f"/v1/outputs/{id_}/timeline").json()["curve"] is None
        refused = client.post(
            "/v1/baselines", data={"name": "x", "side": "worker"}, files={"file": clip.read_bytes()}
        )
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:emovox:policy")
        assert client.post("/v1/baselines", json={"name": "x", "outputs": [id_]}).status_code == 422


def live(client: Client, speech: NDArray[np.float32], **start: Any) -> Iterator[dict[str, Any]]:
    with connect(str(client.base_url).replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", **start}))
        socket.send(speech.astype("<f4").tobytes())
        socket.send('{"type": "end"}')
        for message in socket:
            yield json.loads(message)


def test_lists_to_evaluate_and_to_learn_from(run: Run, examples: list[Path], policed: None) -> None:
    lines = [
        f"{path},{path.stem.rpartition('_')[2]},{'worker' if number < 2 else ''}"
        for number, path in enumerate(examples)
    ]
    Path("list.csv").write_text("\n".join(["path,label,side", *lines]))
    code, out, err = run("evaluate", "list.csv", "--model", "lite", "-q", "--format", "json")
    assert (code, err.count("talk time alone")) == (1, 2)
    assert json.loads(out)["model"]["name"] == "lite"
    more = [
        f"{path},{'a' if number % 2 else 'b'},{'worker' if number == 0 else ''}"
        for number, path in enumerate(examples)
    ]
    Path("own.csv").write_text("\n".join(["path,label,side", *more]))
    code, _, err = run("head", "train", "own.csv", "--name", "own", "--model", "lite", "-q", "-y")
    assert (code, err.count("an embedding can't be had of a worker's voice")) == (1, 1), err


def test_no_baseline_is_fitted(silent: None, run: Run, clip: Path) -> None:
    code, _, err = run("baseline", "fit", clip, "--name", "x", "--model", "lite", "--side", "worker")
    assert (code, "a baseline can't be had of a worker's voice" in err) == (1, True)
    Path("list.csv").write_text(f"path,side\n{clip},pupil\n")
    code, _, err = run("baseline", "fit", "list.csv", "--name", "x", "--model", "lite")
    assert (code, "a baseline can't be had of a pupil's voice" in err) == (1, True)


def test_a_cached_embedding_is_no_way_around(
    recognizer: Recognizer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = find_sources(str(clip))
    assert len(embed_speech(sources, recognizer)[0]) == 1  # it is in the cache from now on
    embeddings, [(_, reason)] = embed_speech(sources, Recognizer("lite", policy=Policy("eu")), sides=("worker",))
    assert embeddings == []
    assert "talk time alone" in reason


@pytest.mark.usefixtures("policed")
def test_a_baseline_of_channels_is_of_those_that_it_may_be_of(call: Path) -> None:
    embeddings, failures = embed_speech(
        find_sources(str(call)), Recognizer("lite"), channels=True, sides=("customer", "worker")
    )
    assert ([item.channel for item in embeddings], failures) == ([1], [])


@pytest.fixture
def inferred(run: Run, clip: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outputs that were made under another policy; that of this process is `eu` from now on."""
    for path, side in ((clip, "worker"), (examples[1], "customer")):
        asked = ["--side", side, "--embedding", "--segments", "--archive", "-q"]
        assert run("recognize", path, "--model", "lite", *asked)[0] == 0
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    return Path("outputs")


def test_outputs_of_another_policy_are_imported_without_what_was_inferred(inferred: Path, tmp_path: Path) -> None:
    with Archive(tmp_path / "other.db") as archive:
        assert import_directories(archive, sorted(inferred.glob("outputs_*"))) == 2
        by_side = {record.side: record for record in archive.all()}
        worker, customer = by_side["worker"], by_side["customer"]
        assert (worker.emotion, worker.scores, worker.warnings[-1]) == (None, None, NOT_INFERRED)
        assert archive.embedding(worker.id) is None
        assert {row["emotion"] for row in archive.segments(worker.id)} == {None}
        assert customer.emotion is not None
        assert archive.embedding(customer.id) is not None


def test_what_is_archived_already_is_no_way_around(
    inferred: Path, recognizer: Recognizer, run: Run, clip: Path
) -> None:
    code, _, err = run("similar", clip, "--model", "lite", "--side", "worker")
    assert (code, "a comparison can't be had of a worker's voice" in err) == (2, True)
    with Archive() as archive:
        by_side = {record.side: record for record in archive.all()}
        with pytest.raises(PolicyError):
            archive.similar(by_side["worker"])
        assert archive.similar(by_side["customer"]) == []
        [baseline] = fit_archive(archive, "x", recognizer.metadata, Filter())
        assert baseline.count == 1
        assert {record.side for record in archive.embedded()[0]} == {"customer"}
        with pytest.raises((PolicyError, ArchiveError)):
            archive.similar(Recognizer("lite").recognize(by_side["worker"].link or "", side="worker"))


def test_an_embedding_file_is_no_way_around(inferred: Path) -> None:
    recognizer = Recognizer("lite")
    embeddings, [(_, reason)] = embed_speech(find_sources(str(inferred)), recognizer)
    assert len(embeddings) == 1
    assert "a worker's voice" in reason


def test_what_is_declared_open_stays_open(run: Run, clip: Path) -> None:
    """On one's own machine a side is a fact and forbids nothing."""
    code, out, _ = run(
        "recognize", clip, "--model", "lite", "--side", "worker", "--no-save", "--format", "json", "-q"
    )
    assert code == 0
    [result] = json.loads(out)
    assert (result["emotion"], result["recording"]["side"]) == ("angry", "worker")
    assert run("baseline", "fit", clip, "--name", "x", "--model", "lite", "--side", "worker", "-q")[0] == 0
    assert Baseline.find("x").count == 1


def test_errors_are_emovoxs() -> None:
    assert issubclass(PolicyError, EmovoxError)
