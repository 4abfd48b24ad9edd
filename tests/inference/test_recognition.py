import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from emovox.emotions import NAMES
from emovox.inference.frames import Frames
from emovox.inference.recognition import Recognition, Segment, json_schema
from emovox.inference.recognizer import Recognizer
from support.results import frame_logits, frame_scores, recognition


def curve(count: int = 3) -> Frames:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(9), count).astype(np.float32)
    logits = rng.standard_normal((count, 9)).astype(np.float32)
    return Frames(hop=0.02, first_centre=0.0125, labels=list(NAMES), smoothing=1.0, logits=logits, scores=scores)


def segment(start: float = 0.5, **changes: Any) -> Segment:
    scores = dict.fromkeys(NAMES, 0.0) | {"sad": 0.75, "angry": 0.25}
    return Segment(start=start, end=start + 1, emotion="sad", confidence=0.75, scores=scores, **changes)


@pytest.mark.parametrize("segments", [None, [], [segment(), segment(1.5, channel=2)]])
@pytest.mark.parametrize("frames", [None, curve(), curve(0), curve(2001)], ids=["none", "3", "0", "2001"])
def test_json_keeps_the_schema_and_comes_back(frames: Frames | None, segments: list[Segment] | None) -> None:
    granularity = "frame" if frames else "utterance"
    result = recognition(granularity=granularity, frames=frames, segments=segments)
    data = json.loads(result.to_json())
    assert data == result.to_dict()
    jsonschema.validate(data, json_schema(), format_checker=jsonschema.FormatChecker())
    assert ("frames" in data, "segments" in data) == (frames is not None, segments is not None)
    back = Recognition.from_json(result.to_json())
    assert back.model_copy(update={"frames": None}) == result.model_copy(update={"frames": None})
    if frames is not None:
        assert back.frames is not None
        np.testing.assert_allclose(frame_scores(back.frames), frame_scores(frames), atol=1e-6)
        np.testing.assert_allclose(frame_logits(back.frames), frame_logits(frames), atol=1e-4)


def test_the_first_five_and_the_rest() -> None:
    assert list(recognition().to_dict()) == [
        "emotion", "confidence", "scores", "granularity", "timestamp",
        "schema", "created_at", "recording", "model", "emovox", "warnings", "readouts",
    ]  # fmt: skip


def test_the_embedding_is_not_in_the_json() -> None:
    assert "embedding" not in recognition(embedding=np.ones((1, 3), np.float32)).to_json()
    assert "embedding" not in json_schema()["properties"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("emotion", "joyful"),
        ("confidence", 1.5),
        ("scores", {"happy": 1.0}),
        ("granularity", "word"),
        ("timestamp", "2024-01-04T22:30:00"),
        ("recording", None),
        ("warnings", "none"),
    ],
)
def test_the_schema_refuses_what_is_no_result(key: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**recognition().to_dict(), key: value}, json_schema())


def test_a_result_needs_its_facts() -> None:
    data = recognition().to_dict()
    del data["model"]
    with pytest.raises(ValidationError, match="model"):
        Recognition.from_json(json.dumps(data))


def test_times_of_frames() -> None:
    np.testing.assert_allclose(curve().times, [0.0125, 0.0325, 0.0525])


def test_top() -> None:
    scores = dict.fromkeys(NAMES, 0.0) | {"sad": 0.7, "angry": 0.3}
    assert recognition(scores=scores).top(2) == [("sad", 0.7), ("angry", 0.3)]
    assert len(recognition().top()) == 9


def test_equality(recognizer: Recognizer, examples: list[Path]) -> None:
    one = recognizer.recognize(examples[0], granularity="frame", segments=True, embedding=True)
    same = one.model_copy(deep=True)
    assert one == same
    assert one == pickle.loads(pickle.dumps(one))  # noqa: S301  our own
    assert one != one.model_copy(update={"embedding": None})
    assert one.embedding is not None
    assert one != one.model_copy(update={"embedding": one.embedding + 1})
    assert one != one.model_copy(update={"frames": None})
    assert one != one.model_copy(update={"confidence": 0.0})
    assert one != "a recognition"
