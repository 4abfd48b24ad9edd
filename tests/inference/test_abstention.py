"""Where a policy demands it, nothing is given where the model is unsure, whichever way it comes in."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.archive import Archive
from emovox.archive.importing import import_directories
from emovox.batch.config import BatchConfig
from emovox.batch.second_pass import SecondPass
from emovox.emotions import NAMES
from emovox.exports import FORMATS, values
from emovox.inference.live import LiveUpdate
from emovox.inference.options import Options
from emovox.inference.readouts import AppliedReadout
from emovox.inference.recognition import ABSTAINED, UNSURE, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.policy import Policy
from emovox.settings import settings
from support.batches import StopError, table
from support.batches import run as run_batch
from support.service import serving

Run = Callable[..., tuple[int, str, str]]
NOTHING = {name: float(name == "unknown") for name in NAMES}
ABSTAIN = Policy(abstain=True)


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is unsure of everything."""
    monkeypatch.setattr(AppliedReadout, "is_unsure", lambda _, confidence: True)


@pytest.fixture
def abstaining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "abstain.toml"
    path.write_text('profile = "open"\nabstain = true\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(path))
    settings.cache_clear()
    return path


def is_nothing(data: dict[str, Any]) -> bool:
    assert data["warnings"][-1] == ABSTAINED
    assert UNSURE not in data["warnings"]
    assert data["policy"] == {"profile": "open", "inferred": True, "abstain": True}
    for item in (data, *(data.get("segments") or ())):
        assert (item["emotion"], item["confidence"], item["scores"]) == ("unknown", 1.0, NOTHING)
        assert item["readouts"] == {}
    return True


def test_the_whole_and_its_segments(unsure: None, clip: Path) -> None:
    recognizer = Recognizer("lite", policy=ABSTAIN)
    result = recognizer.recognize(clip, segments=True, granularity="frame", embedding=True)
    assert is_nothing(result.to_dict())
    assert result.frames is not None
    assert result.frames.scores is not None
    assert (result.frames.scores == [*NOTHING.values()]).all()
    assert result.frames.logits is None
    assert result.frames.readouts == {}
    assert result.summary is not None
    assert result.summary.kind == "unsure"
    assert Recognition.from_json(result.to_json()).to_dict() == result.to_dict()


def test_what_is_sure_is_given(clip: Path) -> None:
    before = Recognizer("lite").recognize(clip, segments=True, granularity="frame").to_dict()
    result = Recognizer("lite", policy=ABSTAIN).recognize(clip, segments=True, granularity="frame").to_dict()
    assert UNSURE not in before["warnings"]
    assert result.pop("policy")["abstain"]
    for data in (before, result):
        del data["timestamp"], data["created_at"]
        data.pop("frames")
    hidden = [item["unsure"] for item in before["segments"]]
    for item, own in zip(before.pop("segments"), result.pop("segments"), strict=True):
        assert own == item or item["unsure"]
    for data in (before, result):
        if any(hidden):
            data.pop("summary")
    assert result == before


def test_one_segment_alone(monkeypatch: pytest.MonkeyPatch, clip: Path, speech: NDArray[np.float32]) -> None:
    pause = np.zeros(16_000, np.float32)
    both = (np.concatenate([speech, pause, 0.2 * speech[::-1]]), 16_000)
    before = Recognizer("lite").recognize(both, segments=True, granularity="frame")
    assert before.segments is not None
    least = min(item.confidence or 0 for item in before.segments)
    monkeypatch.setattr(AppliedReadout, "is_unsure", lambda _, confidence: abs(confidence - least) < 1e-9)
    result = Recognizer("lite", policy=ABSTAIN).recognize(both, segments=True, granularity="frame")
    assert result.segments is not None
    assert ABSTAINED not in result.warnings
    [hidden] = [item for item in result.segments if item.is_abstained]
    given = [(item.start, item.scores) for item in result.segments if not item.is_abstained]
    assert given == [(item.start, item.scores) for item in before.segments if item.confidence != least]
    assert result.frames is not None
    assert result.frames.scores is not None
    assert before.frames is not None
    assert before.frames.scores is not None
    assert result.frames.logits is None
    times = result.frames.first_centre + result.frames.hop * np.arange(len(result.frames.scores))
    inside = (times >= hidden.start) & (times <= hidden.end)
    assert (result.frames.scores[inside] == [*NOTHING.values()]).all()
    assert (result.frames.scores[~inside] == before.frames.scores[~inside]).all()


def test_live(unsure: None, speech: NDArray[np.float32]) -> None:
    live = Recognizer("lite", policy=ABSTAIN).live()
    events = [event for event in [*live.push(speech), *live.finish()] if isinstance(event, LiveUpdate)]
    said = [event for event in events if event.emotion is not None]
    assert said
    assert {(event.emotion, event.confidence) for event in said} == {("unknown", 1.0)}
    assert all(event.scores == NOTHING and not event.readouts for event in said)
    assert live.warnings == [ABSTAINED]


def test_the_command(unsure: None, abstaining: Path, run: Run, clip: Path) -> None:
    asked = [
        "--granularity",
        "frame",
        "--segments",
        "--embedding",
        "--archive",
        "--export",
        ",".join(name for name in FORMATS if not values(name)),
    ]
    code, out, err = run("recognize", clip, "--model", "lite", *asked, "--format", "json")
    assert code == 0, err
    [result] = json.loads(out)
    directory = Path(result["outputs"])
    assert is_nothing(json.loads((directory / "result.json").read_bytes()))
    assert "not given: unsure" in (directory / "segments.srt").read_text()
    with Archive() as archive:
        [record] = archive.all()
        assert (record.emotion, record.scores, record.readouts) == ("unknown", NOTHING, {})
        assert archive.embedding(record.id) is None
        assert {row["confidence"] for row in archive.segments(record.id)} == {1.0}
    with Archive("other.db") as archive:  # embedding.npy lies beside it
        assert import_directories(archive, [directory]) == 1
        [record] = archive.all()
        assert archive.embedding(record.id) is None


def test_what_was_given_before_is_archived_without_it(
    unsure: None, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("recognize", clip, "--model", "lite", "--segments", "-q")[0] == 0
    (tmp_path / "p.toml").write_text('profile = "eu"\nabstain = true\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(tmp_path / "p.toml"))
    settings.cache_clear()
    with Archive() as archive:
        assert import_directories(archive, sorted(Path("outputs").glob("outputs_*"))) == 1
        [record] = archive.all()
        assert (record.emotion, record.warnings[-1]) == ("unknown", ABSTAINED)


@pytest.mark.parametrize("baseline", [None, "corpus"])
def test_batches(unsure: None, abstaining: Path, clip: Path, tmp_path: Path, baseline: Any) -> None:
    options = Options.of(segments=True, granularity="frame", baseline=baseline)
    run_batch(BatchConfig(str(clip), str(tmp_path / "out"), model="lite", options=options))
    [row] = table(tmp_path / "out")
    assert (row["emotion"], row["confidence"], row["warnings"][-1]) == ("unknown", 1.0, ABSTAINED)
    assert {item["emotion"] for item in row["segments"]} == {"unknown"}
    assert row["frames"]["logits"] is None


def test_a_batch_leaves_no_file_of_what_it_withheld(
    unsure: None, abstaining: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pass keeps logits: they are there as long as the second may need them, and no longer."""
    (tmp_path / "calls").mkdir()
    shutil.copy(clip, tmp_path / "calls")
    out, options = tmp_path / "out", Options.of(segments=True, baseline="corpus")
    wish = BatchConfig(str(tmp_path / "calls"), str(out), model="lite", options=options)
    with monkeypatch.context() as patch:
        patch.setattr(SecondPass, "run", _broken_off)
        with pytest.raises(StopError):
            run_batch(wish)
    assert [*out.glob("first_pass/*")]
    status, _ = run_batch(wish)
    assert (status.done, len(table(out))) == (0, 1)
    assert not [*out.glob("first_pass/*")]
    assert {path.name for path in out.rglob("*") if path.is_dir()} <= {"recognitions", "first_pass", "errors"}
    status, _ = run_batch(wish)  # begins anew, as what moved is gone
    assert (status.done, len(table(out)), [*out.glob("first_pass/*")]) == (1, 1, [])


def _broken_off(_: SecondPass) -> None:
    raise StopError


def test_the_service(unsure: None, abstaining: Path, clip: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", policy=str(abstaining)) as client:
        assert client.get("/v1/policy").json()["abstain"] is True
        answer = client.post_file(clip, segments="true", granularity="frame")
        assert is_nothing(answer.json())
        id_ = answer.headers["location"].rpartition("/")[2]
        [summary] = client.get("/v1/outputs").json()["outputs"]
        assert (summary["emotion"], summary["scores"]) == ("unknown", NOTHING)
        curve = client.get(f"/v1/outputs/{id_}/timeline").json()["curve"]
        assert {*curve["scores"]["unknown"]} == {1.0}


def test_tables_say_so(unsure: None, abstaining: Path, run: Run, clip: Path) -> None:
    code, out, _ = run("recognize", clip, "--model", "lite", "--no-save", "-q", "--format", "csv")
    [row] = csv.DictReader(out.splitlines())
    assert (code, row["emotion"], row["warnings"]) == (0, "unknown", ABSTAINED)
    code, out, _ = run("recognize", clip, "--model", "lite", "--no-save", "-q")
    assert "the policy gives nothing then" in out
