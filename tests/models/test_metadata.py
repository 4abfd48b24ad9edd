import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.metadata import CONTRACT, Metadata
from emovox.models.readout import Calibration, Readout, ReferenceMean
from support import tiny

REFERENCE = ReferenceMean(embedding=np.arange(8, dtype=np.float32) / 3, count=30, source="EmoDB")
FULL = tiny.classes(
    "happy", "sad",
    reference={"happy": REFERENCE},
    calibration=Calibration(temperatures=((0, 1.5), (3, 1.2)), unsure=0.4),
)  # fmt: skip
FACTS: dict[str, Any] = {
    "name": "tiny", "revision": "1", "precision": "fp32", "licence": "MIT", "source": "nowhere",
    "source_sha256": "0" * 64, "readouts": (FULL, tiny.DIMENSIONS), "hop": 320, "first_centre": 0.0125,
    "minimum_samples": 400, "embedding_size": 8, "corpora": ("EmoDB", "IEMOCAP"),
}  # fmt: skip
OLD = {
    "contract": "1", "labels": json.dumps(NAMES), "classes": '["happy", "sad"]', "name": "tiny", "revision": "1",
    "precision": "fp32", "licence": "MIT", "source": "nowhere", "source_sha256": "0" * 64, "hop": "320",
    "first_centre": "0.0125", "minimum_samples": "400", "embedding_size": "8", "sample_rate": "16000",
}  # fmt: skip


def test_properties_come_back() -> None:
    metadata = Metadata(**FACTS)
    properties = metadata.to_properties()
    assert all(isinstance(value, str) for value in properties.values())
    assert properties["emovox.contract"] == str(CONTRACT)
    assert Metadata.from_properties({**properties, "producer": "somebody else's"}) == metadata


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("emovox.contract", "3", "contract 3"),
        ("emovox.sample_rate", "8000", "8000 Hz"),
        ("emovox.readouts", '[{"name": "emotion"}]', "can't be used"),
        ("emovox.readouts", "happy", "can't be used"),
        ("emovox.hop", "0", "can't be used"),
        ("emovox.colour", "red", "can't be used"),
    ],
)
def test_other_contracts_are_refused(key: str, value: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Metadata.from_properties({**Metadata(**FACTS).to_properties(), key: value})


def test_contract_1_is_read_as_one_readout_of_the_nine() -> None:
    metadata = Metadata.from_properties({f"emovox.{key}": value for key, value in OLD.items()})
    assert metadata.contract == 1
    assert metadata.readouts == (tiny.classes("happy", "sad"),)
    assert metadata.classes == ("happy", "sad")
    bare = Metadata.from_properties({f"emovox.{key}": value for key, value in {**OLD, "classes": "[]"}.items()})
    assert (bare.readouts, bare.emotions, bare.classes) == ((), None, ())


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("labels", '["happy"]', "the nine"), ("classes", '["joy"]', "not one of the nine"), ("classes", "x", "used")],
)
def test_contract_1_knew_nothing_but_the_nine(key: str, value: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Metadata.from_properties({f"emovox.{name}": text for name, text in {**OLD, key: value}.items()})


def test_any_other_onnx_file_is_refused() -> None:
    with pytest.raises(ModelError, match="not an Emovox model"):
        Metadata.from_properties({"producer": "x"})
    properties = Metadata(**FACTS).to_properties()
    del properties["emovox.hop"]
    with pytest.raises(ModelError, match="hop"):
        Metadata.from_properties(properties)


def test_embeddings_go_by_an_earlier_revision_where_they_are_the_same() -> None:
    own, shared = Metadata(**FACTS), Metadata(**FACTS, embedding_revision="0", embedding_checksum="a" * 64)
    assert (own.embeddings_of, shared.embeddings_of) == ("1", "0")
    assert not any("embedding_revision" in key for key in own.to_properties())
    assert Metadata.from_properties(shared.to_properties()) == shared


def test_readouts_are_told_apart_by_their_names_and_references_fit() -> None:
    with pytest.raises(ValidationError, match="two readouts have one name"):
        Metadata(**{**FACTS, "readouts": (tiny.FOREIGN, tiny.EMOTIONS)})
    with pytest.raises(ValidationError, match="hasn't the width"):
        Metadata(**{**FACTS, "embedding_size": 7})


@pytest.mark.parametrize(
    ("readout", "gives_emotions", "is_nine"),
    [
        (tiny.EMOTIONS, True, True),
        (tiny.classes(*NAMES), True, True),
        (tiny.classes("生气/angry", "<unk>", emotions={"生气/angry": "angry", "<unk>": "unknown"}), True, True),
        (tiny.CALLS, True, False),
        (tiny.classes("neu", "hap", emotions={"neu": "neutral", "hap": "happy"}), True, False),
        (tiny.classes("angry", "calm"), False, False),
        (tiny.FOREIGN, False, False),
        (tiny.classes("angry", "sad", activation="sigmoid"), False, False),
        (tiny.classes("angry", "sad", kind="pooled"), True, False),
        (tiny.DIMENSIONS, False, False),
    ],
)
def test_what_the_nine_follow_from(readout: Readout, gives_emotions: bool, is_nine: bool) -> None:
    assert (readout.gives_emotions, readout.is_nine) == (gives_emotions, is_nine)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": ("a", "a")}, "named twice"),
        ({"emotions": {"b": "sad"}}, "none of its labels"),
        ({"emotions": {"a": "joy"}}, "not one of the nine"),
        ({"range": (0, 1)}, "only values have a range"),
        ({"activation": "none", "range": (1, 0)}, "from low to high"),
        ({"name": "Two words"}, "pattern"),
        ({"labels": ()}, "at least 1"),
    ],
)
def test_what_is_no_readout(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        tiny.classes("a", **changes)
