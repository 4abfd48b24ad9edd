from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.metadata import Metadata

FACTS: dict[str, Any] = {
    "name": "tiny", "revision": "1", "precision": "fp32", "licence": "MIT", "source": "nowhere",
    "source_sha256": "0" * 64, "classes": ("happy", "sad"), "hop": 320, "first_centre": 0.0125,
    "minimum_samples": 400, "embedding_size": 8,
}  # fmt: skip


def test_properties_come_back() -> None:
    metadata = Metadata(**FACTS)
    properties = metadata.to_properties()
    assert all(isinstance(value, str) for value in properties.values())
    assert Metadata.from_properties({**properties, "producer": "somebody else's"}) == metadata


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("emovox.contract", "2", "contract 2"),
        ("emovox.sample_rate", "8000", "8000 Hz"),
        ("emovox.labels", '["happy"]', "1 labels"),
        ("emovox.classes", '["joy"]', "not one of the nine"),
        ("emovox.classes", "happy", "can't be used"),
        ("emovox.hop", "0", "can't be used"),
        ("emovox.colour", "red", "can't be used"),
    ],
)
def test_other_contracts_are_refused(key: str, value: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Metadata.from_properties({**Metadata(**FACTS).to_properties(), key: value})


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
    assert not any("embedding_revision" in key for key in own.to_properties())  # so older files are as they were
    assert Metadata.from_properties(shared.to_properties()) == shared
