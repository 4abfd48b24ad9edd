"""A trained head on the way from windows to a result."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emovox.errors import HeadError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition, Segment, json_schema
from emovox.inference.recognizer import Recognizer
from emovox.inference.stored_result import read
from emovox.models.head import Head, head_path
from support import tiny
from support.heads import head


@pytest.fixture(scope="module")
def own(recognizer: Recognizer) -> Head:
    return head(recognizer.metadata, ("ruhig", "laut", "第三"))


def scores_of(item: Recognition | Segment) -> list[float]:
    return list((item.readouts["calls"].scores or {}).values())


def joined(examples: list[Path], recognizer: Recognizer, speech: np.ndarray) -> tuple[np.ndarray, int]:
    """Forty seconds of speech with pauses: several windows."""
    pause = np.zeros(16_000, np.float32)
    return np.concatenate([part for _ in range(14) for part in (speech, pause)]), 16_000


def test_its_scores_are_those_of_the_embedding(recognizer: Recognizer, own: Head, examples: list[Path]) -> None:
    result = recognizer.recognize(examples[1], head=own, embedding=True)
    verdict = result.readouts["calls"]
    assert verdict.scores is not None
    assert result.embedding is not None
    expected = own.scores(result.embedding[0])
    np.testing.assert_allclose(list(verdict.scores.values()), expected, rtol=1e-6)
    assert verdict.label == own.classes[expected.argmax()]
    assert verdict.confidence == expected.max()
    assert list(verdict.scores) == list(own.classes)
    assert (verdict.kind, verdict.created_at) == ("linear", own.training.created_at)


def test_a_long_recordings_frames_explain_its_verdict(
    recognizer: Recognizer, own: Head, examples: list[Path], speech: np.ndarray
) -> None:
    recording = joined(examples, recognizer, speech)
    result = recognizer.recognize(recording, head=own, granularity="frame", segments=True, embedding=True)
    assert result.frames is not None
    assert result.frames.readouts["calls"].labels == list(own.classes)
    assert result.segments
    curve = result.frames.readouts["calls"].numbers
    assert curve.shape == (len(result.frames), 3)
    np.testing.assert_allclose(curve.sum(axis=1), 1, atol=1e-5)
    for segment in result.segments:
        assert segment.embedding is not None
        np.testing.assert_allclose(scores_of(segment), own.scores(segment.embedding), rtol=1e-5)
    flat = recognizer.recognize(recording, head=own, granularity="frame", smoothing=1000)
    assert flat.frames is not None
    assert flat.embedding is None  # nobody asked for it
    np.testing.assert_allclose(flat.frames.readouts["calls"].numbers[0], scores_of(result), atol=1e-4)


def test_merged_segments_and_speech_only(
    recognizer: Recognizer, own: Head, examples: list[Path], speech: np.ndarray
) -> None:
    recording = joined(examples, recognizer, speech)
    result = recognizer.recognize(recording, head=own, merge=True, speech_only=True, embedding=True)
    assert result.embedding is not None
    np.testing.assert_allclose(scores_of(result), own.scores(result.embedding[0]), rtol=1e-5)
    assert all("calls" in segment.readouts for segment in result.segments or [])


def test_the_emotions_stay_what_they_were(recognizer: Recognizer, own: Head, examples: list[Path]) -> None:
    options = {"granularity": "frame", "segments": True}
    plain = recognizer.recognize(examples[0], **options).to_dict()  # type: ignore[arg-type]
    asked = recognizer.recognize(examples[0], head=own, **options).to_dict()  # type: ignore[arg-type]
    assert "calls" not in json.dumps(plain)
    for part in (asked, asked["frames"], *asked["segments"]):
        part["readouts"].pop("calls")
    for moment in ("timestamp", "created_at"):
        asked[moment] = plain[moment]
    assert asked == plain


def test_its_json_is_that_of_the_schema_and_can_be_read_back(
    recognizer: Recognizer, own: Head, examples: list[Path], tmp_path: Path
) -> None:
    result = recognizer.recognize(examples[0], head=own, granularity="frame", segments=True)
    text = result.to_json()
    jsonschema.validate(json.loads(text), json_schema())
    assert json.loads(text) == result.to_dict()
    (tmp_path / "result.json").write_text(text, encoding="utf-8")
    for again in (Recognition.from_json(text), read(tmp_path / "result.json")):
        assert again.to_json() == text
        assert again.readouts == result.readouts


def test_silence_has_no_class(recognizer: Recognizer, own: Head) -> None:
    result = recognizer.recognize(
        (np.zeros(32_000, np.float32), 16_000), head=own, granularity="frame", segments=True
    )
    assert result.emotion == "unknown"
    assert result.readouts == {}
    assert result.frames is not None
    assert result.frames.readouts == {}
    assert '"head' not in result.to_json()


def test_a_head_by_name_by_path_and_in_a_batch(
    recognizer: Recognizer, own: Head, examples: list[Path], tmp_path: Path
) -> None:
    own.write(head_path("calls"))
    own.write(tmp_path / "h.json")
    expected = recognizer.recognize(examples[0], head=own).readouts
    for given in ("calls", tmp_path / "h.json", str(tmp_path / "h.json")):
        assert recognizer.recognize(examples[0], head=given).readouts == expected
    assert [result.readouts for result in recognizer.recognize_many(examples[:1], head="calls")] == [expected]
    other = head(recognizer.metadata.model_copy(update={"name": "large"}))
    requests = [
        Request(examples[0]),
        Request(examples[0], Options(head=own)),
        Request(examples[0], Options(head=other)),
    ]
    plain, asked, refused = recognizer.recognize_together(requests)
    assert isinstance(plain, Recognition)
    assert plain.readouts == {}
    assert isinstance(asked, Recognition)
    assert asked.readouts == expected
    assert isinstance(refused, HeadError)
    with pytest.raises(HeadError, match="trained on the model large"):
        recognizer.recognize(examples[0], head=other)


def test_schema_1_is_read_with_its_head_among_the_readouts(
    recognizer: Recognizer, own: Head, examples: list[Path], tmp_path: Path
) -> None:
    """As 0.1 wrote it; 0.2 had both."""
    result = recognizer.recognize(examples[0], head=own, granularity="frame", segments=True)
    data = result.to_dict()
    keys = ("label", "confidence", "scores", "created_at")
    data["head"] = {"name": "calls", **{key: data["readouts"]["calls"][key] for key in keys}}
    assert Recognition.from_json(json.dumps(data)) == Recognition.from_json(result.to_json())
    curve = data["frames"].pop("readouts")["calls"]
    data["frames"] |= {"head_labels": curve["labels"], "head_scores": curve["scores"]}
    old = {**data, "schema": 1}
    del old["readouts"]
    for segment in old["segments"]:
        verdict = segment.pop("readouts")["calls"]
        segment["head"] = {key: verdict[key] for key in ("label", "confidence", "scores")}
    read_back = Recognition.from_json(json.dumps(old))
    assert read_back.readouts == result.readouts
    assert read_back.schema_version == 2
    assert read_back.frames is not None
    np.testing.assert_allclose(read_back.frames.readouts["calls"].numbers, curve["scores"], atol=1e-6)
    for one, other in zip(read_back.segments or [], result.segments or [], strict=True):
        assert one.readouts["calls"].scores == other.readouts["calls"].scores


def test_a_head_called_like_a_readout_of_the_model_is_refused(tmp_path: Path, speech: np.ndarray) -> None:
    model = Recognizer(tiny.write(tmp_path / "m.onnx", readouts=(tiny.FOREIGN,)))
    for name, refused in (("emotion", True), ("mine", False)):
        namesake = head(model.metadata, name=name)
        if refused:
            with pytest.raises(HeadError, match="under another name"):
                model.recognize((speech, 16_000), head=namesake)
        else:
            assert list(model.recognize((speech, 16_000), head=namesake).readouts) == ["emotion", "mine"]


def test_a_stream_is_asked_too(recognizer: Recognizer, own: Head, speech: np.ndarray) -> None:
    plain, live = recognizer.live(), recognizer.live(head=own)
    without = [event.to_dict() for event in plain.push(speech)]
    events = [event.to_dict() for event in live.push(speech)]
    assert not any(event.get("readouts") for event in without)
    updates = [event for event in events if event["type"] == "update" and event["emotion"]]
    assert updates
    for event in updates:
        assert set(event["readouts"][own.name]["scores"]) == set(own.classes)
    stripped = [event | {"readouts": {}} if event["type"] == "update" else event for event in events]
    assert stripped == without
    with pytest.raises(HeadError):
        recognizer.live(head=head(recognizer.metadata.model_copy(update={"embedding_revision": "0"})))


def test_a_head_of_revision_5_is_used_as_ever(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    facts = json.loads(head(recognizer.metadata).model_dump_json())
    source = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    old = {
        "name": "lite",
        "revision": "5",
        "source_sha256": source,
        "embedding_size": 384,
    }  # as it was written then
    (tmp_path / "old.json").write_text(json.dumps({**facts, "model": old}))
    result = recognizer.recognize(examples[0], head=tmp_path / "old.json")
    assert "calls" in result.readouts
    assert (result.model.revision, result.model.embedding_revision) == ("5.3", "5")
