"""What is declared of a recording, purpose and consent, by every way in; and that a policy may demand it."""

import csv
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from emovox.archive import Archive, Filter
from emovox.batch.config import BatchConfig
from emovox.client import Client as OwnClient
from emovox.errors import PolicyError, ServiceError, SettingsError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.models.runtime.engine import Engine
from emovox.server.service import Service
from emovox.settings import settings
from support.batches import run as run_batch
from support.batches import table
from support.service import Client, serving

Run = Callable[..., tuple[int, str, str]]
DECLARED: dict[str, Any] = {"side": "customer", "purpose": "quality", "consent": "form 12/2026"}
NOTES = {name: DECLARED[name] for name in ("purpose", "consent")}
ASKED = [word for name, text in DECLARED.items() for word in (f"--{name}", text)]
DEMAND = "requires a side and a purpose and a consent"


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "strict.toml"
    path.write_text('profile = "eu"\nrequire = ["side", "purpose", "consent"]\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(path))
    settings.cache_clear()
    return path


@pytest.fixture
def silent(strict: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model may be run."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr(Engine, "run", fail)


def library(clip: Path, options: dict[str, Any]) -> Recognition:
    return Recognizer("lite").recognize(clip, **options)


def together(clip: Path, options: dict[str, Any]) -> Recognition:
    [result] = Recognizer("lite").recognize_together([Request(clip, Options.of(**options))])
    if not isinstance(result, Recognition):
        raise result
    return result


def many(clip: Path, options: dict[str, Any]) -> Recognition:
    [result] = Recognizer("lite").recognize_many([clip], **options)
    assert isinstance(result, Recognition)
    return result


WAYS = [library, together, many]


@pytest.mark.parametrize("way", WAYS)
def test_the_library_keeps_it(way: Callable[..., Recognition], clip: Path, strict: Path) -> None:
    result = way(clip, DECLARED)
    data = result.to_dict()
    assert {name: data["recording"][name] for name in DECLARED} == DECLARED
    assert Recognition.from_json(result.to_json()).recording == result.recording
    assert way(clip, {**DECLARED, "purpose": "  quality "}).recording.purpose == "quality"


@pytest.mark.parametrize("way", WAYS)
def test_the_library_refuses(way: Callable[..., Recognition], clip: Path, silent: None) -> None:
    with pytest.raises(PolicyError, match=DEMAND):
        way(clip, {})
    with pytest.raises(PolicyError, match=r"requires a consent: .*option consent"):
        way(clip, {"side": "customer", "purpose": "quality"})


def test_nothing_is_said_where_nothing_was_declared(clip: Path, recognizer: Recognizer) -> None:
    assert not {"purpose", "consent"} & recognizer.recognize(clip).to_dict()["recording"].keys()


def test_live(silent: None) -> None:
    recognizer = Recognizer("lite")
    with pytest.raises(PolicyError, match=DEMAND):
        recognizer.live()
    recognizer.live(**DECLARED)


@pytest.mark.parametrize(
    "command",
    [
        ["recognize", "{}"],
        ["listen", "{}", "--fast", "--jsonl", "--events", "2"],
        ["baseline", "fit", "{}", "--name", "x"],
    ],
    ids=lambda words: words[0],
)
def test_commands_refuse(command: list[str], silent: None, run: Run, clip: Path) -> None:
    words = [word.format(clip) for word in command]
    code, _, err = run(*words, "--model", "lite")
    assert (code, DEMAND in err) == (1 if command[0] == "baseline" else 2, True), err
    assert run(*words, "--purpose", "x" * 201)[0] == 2


def test_the_command(strict: Path, run: Run, clip: Path) -> None:
    code, out, err = run(
        "recognize",
        clip,
        "--model",
        "lite",
        *ASKED,
        "--segments",
        "--export",
        "csv",
        "--archive",
        "--format",
        "json",
    )
    assert code == 0, err
    [result] = json.loads(out)
    stored = json.loads((Path(result["outputs"]) / "result.json").read_bytes())
    assert {name: stored["recording"][name] for name in NOTES} == NOTES
    [row, *_] = csv.DictReader((Path(result["outputs"]) / "segments.csv").read_text().splitlines())
    assert {name: row[name] for name in NOTES} == NOTES
    code, out, _ = run("recognize", clip, "--model", "lite", *ASKED, "--no-save", "-q", "--format", "csv")
    [row] = csv.DictReader(out.splitlines())
    assert {name: row[name] for name in NOTES} == NOTES
    for rows in ("recordings", "segments"):
        code, out, _ = run("table", rows, "outputs")
        assert {name: next(csv.DictReader(out.splitlines()))[name] for name in NOTES} == NOTES
    for words, count in (("purpose=quality", 1), ("purpose=research", 0), ("consent=form 12/2026", 1)):
        code, out, _ = run("archive", "list", "--filter", words, "--format", "json")
        found = json.loads(out)
        assert len(found["recognitions"] if isinstance(found, dict) else found) == count
    with Archive() as archive:
        [record] = archive.all(Filter(purpose="quality"))
        assert (record.purpose, record.consent) == ("quality", "form 12/2026")
    code, out, _ = run("archive", "export", "--format", "csv")
    assert {name: next(csv.DictReader(out.splitlines()))[name] for name in NOTES} == NOTES


def test_listen(strict: Path, run: Run, clip: Path) -> None:
    code, _, err = run("listen", clip, "--fast", "--jsonl", "--events", "2", "--model", "lite", *ASKED)
    assert code == 0, err
    [path] = Path("outputs").glob("outputs_*/result.json")
    recording = json.loads(path.read_bytes())["recording"]
    assert {name: recording[name] for name in DECLARED} == DECLARED


@pytest.mark.parametrize("longest", [900.0, 1.0])
def test_batches(strict: Path, clip: Path, tmp_path: Path, longest: float) -> None:
    wish = {"model": "lite", "longest": longest}
    run_batch(BatchConfig(str(clip), str(tmp_path / "out"), options=Options.of(**DECLARED), **wish))  # type: ignore[arg-type]
    [row] = table(tmp_path / "out")
    assert {name: row[name] for name in DECLARED} == DECLARED
    run_batch(BatchConfig(str(clip), str(tmp_path / "none"), **wish))  # type: ignore[arg-type]
    [error] = table(tmp_path / "none", "errors")
    assert DEMAND in error["reason"]


def test_batches_by_list(strict: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "twin.flac").write_bytes(clip.read_bytes())
    (tmp_path / "last.flac").write_bytes(clip.read_bytes())
    rows = [f"{clip},customer,quality,form 12", "twin.flac,customer,training,form 13", "last.flac,customer,,"]
    (tmp_path / "list.csv").write_text("\n".join(["path,side,purpose,consent", *rows]))
    run_batch(BatchConfig(str(tmp_path / "list.csv"), str(tmp_path / "out"), model="lite"))
    said = {(Path(row["path"]).name, row["purpose"], row["consent"]) for row in table(tmp_path / "out")}
    assert said == {(clip.name, "quality", "form 12"), ("twin.flac", "training", "form 13")}
    [error] = table(tmp_path / "out", "errors")
    assert "requires a purpose and a consent" in error["reason"]


def test_batches_relative_to_all_keep_it(clip: Path, examples: list[Path], tmp_path: Path) -> None:
    options = Options.of(baseline="corpus", **NOTES)
    run_batch(BatchConfig(str(clip.parent), str(tmp_path / "out"), model="lite", options=options))
    assert {(row["purpose"], row["consent"]) for row in table(tmp_path / "out")} == {tuple(NOTES.values())}


def test_batches_without_it_have_the_columns_that_they_had(clip: Path, tmp_path: Path) -> None:
    run_batch(BatchConfig(str(clip), str(tmp_path / "out"), model="lite"))
    assert not {"purpose", "consent"} & table(tmp_path / "out")[0].keys()


def test_lists_to_evaluate_and_to_learn_from(strict: Path, run: Run, examples: list[Path]) -> None:
    def write(name: str, said: Callable[[int], str]) -> None:
        lines = [
            f"{path},{'a' if number % 2 else 'b'},customer,{said(number)}" for number, path in enumerate(examples)
        ]
        Path(name).write_text("\n".join(["path,label,side,purpose,consent", *lines]))

    write("own.csv", lambda number: "," if number == 0 else "research,form 12")
    code, _, err = run("head", "train", "own.csv", "--name", "own", "--model", "lite", "-q", "-y")
    assert (code, err.count("requires a purpose and a consent")) == (1, 1), err
    code, _, err = run("baseline", "fit", "own.csv", "--name", "own", "--model", "lite", "-q")
    assert (code, err.count("requires a purpose and a consent")) == (1, 1), err
    assert run("baseline", "fit", "own.csv", "--name", "all", "--model", "lite", "-q", *ASKED)[0] == 0


def test_the_service(strict: Path, clip: Path, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    with serving(tmp_path / "outputs", policy=str(strict)) as client:
        view = client.get("/v1/policy").json()
        assert view["require"] == ["side", "purpose", "consent"]
        refused = client.post_file(clip)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:emovox:policy")
        assert DEMAND in refused.json()["detail"]
        assert client.post_file(clip, **{**DECLARED, "purpose": "x" * 201}).status_code == 422
        answer = client.post_file(clip, **DECLARED)
        assert {name: answer.json()["recording"][name] for name in DECLARED} == DECLARED, answer.text
        for address in ("/v1/recognitions", "/v1/batches"):
            headers = {"Prefer": "respond-async"}
            made = client.post(address, data=DECLARED, files={"file": clip.read_bytes()}, headers=headers).json()
            [id_] = [one["id"] for one in made["jobs"]] if "jobs" in made else [made["id"]]
            assert client.finished(id_)["state"] == "done"
            recording = client.get(f"/v1/jobs/{id_}/result").json()["recording"]
            assert {name: recording[name] for name in DECLARED} == DECLARED
        *_, last = live(client, speech, **DECLARED, store=True)
        recording = client.get(f"/v1/outputs/{last['output']}/files/result.json").json()["recording"]
        assert {name: recording[name] for name in DECLARED} == DECLARED
        [last] = live(client, speech)
        assert DEMAND in last["problem"]["detail"]
        with OwnClient(str(client.base_url)) as own:
            assert own.recognize(clip, **DECLARED).recording.purpose == "quality"
            assert own.fit_baseline("x", [clip], **DECLARED)["count"] == 1
            with pytest.raises(ServiceError, match=DEMAND):
                own.fit_baseline("y", [clip])
            assert len(list(own.archive(purpose="quality"))) == 5
            assert not list(own.archive(purpose="training"))


def live(client: Client, speech: NDArray[np.float32], **start: Any) -> list[dict[str, Any]]:
    with connect(str(client.base_url).replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", **start}))
        with suppress(ConnectionClosedError):  # it may be refused before that is sent
            socket.send(speech.astype("<f4").tobytes())
            socket.send('{"type": "end"}')
        messages = []
        with suppress(ConnectionClosedError):
            for message in socket:
                messages.append(json.loads(message))
        return messages


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "study.toml"
    path.write_text('profile = "research"\nethics = "ETH-2026-041"\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(path))
    settings.cache_clear()
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("side", "inferred"),
    [("subject", True), (None, True), ("customer", False), ("worker", False), ("pupil", False)],
)
def test_a_study(
    way: Callable[..., Recognition], side: str | None, inferred: bool, clip: Path, study: Path
) -> None:
    result = way(clip, {**DECLARED, "side": side})
    assert (result.is_inferred, result.emotion is not None) == (inferred, inferred)
    assert result.to_dict()["policy"] == {"profile": "research", "inferred": inferred, "ethics": "ETH-2026-041"}


def test_a_study_in_the_service(study: Path, clip: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", policy=str(study)) as client:
        view = client.get("/v1/policy").json()
        assert (view["profile"], view["ethics"]) == ("research", "ETH-2026-041")
        assert view["talk_time_only"] == ["customer", "worker", "pupil"]
        assert client.post_file(clip, side="subject").status_code == 422
        answer = client.post_file(clip, **NOTES).json()
        assert answer["policy"]["ethics"] == "ETH-2026-041"
        [kept] = client.get("/v1/archive").json()["recognitions"]
        assert kept["policy"] == answer["policy"]


@pytest.mark.parametrize("start", [{}, {"notice": False}])
def test_a_stream_must_say_that_notice_was_given(
    start: dict[str, Any], clip: Path, tmp_path: Path, speech: NDArray[np.float32]
) -> None:
    (tmp_path / "told.toml").write_text('profile = "open"\nnotice = true\n')
    (tmp_path / "notice.txt").write_text("This call is analysed by a program.\n")
    asked: dict[str, Any] = {"policy": str(tmp_path / "told.toml"), "notice": str(tmp_path / "notice.txt")}
    with serving(tmp_path / "outputs", **asked) as client:
        view = client.get("/v1/policy").json()
        assert (view["notice"], view["notice_text"]) == (True, "This call is analysed by a program.")
        [refused] = live(client, speech, **start)
        assert refused["problem"]["type"] == "urn:emovox:notice-needed"
        assert live(client, speech, notice=True)[-1]["type"] == "ended"
        assert client.post_file(clip).status_code == 200  # recordings are none of it


def test_without_such_a_policy_streams_need_say_nothing(tmp_path: Path, speech: NDArray[np.float32]) -> None:
    with serving(tmp_path / "outputs") as client:
        view = client.get("/v1/policy").json()
        assert (view["notice"], view["notice_text"]) == (False, None)
        for start in ({}, {"notice": True}):
            assert live(client, speech, **start)[-1]["type"] == "ended"


def test_a_notice_that_can_not_be_read_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_NOTICE", str(tmp_path / "none.txt"))
    settings.cache_clear()
    with pytest.raises(SettingsError, match="setting notice"):
        Service()
