"""The reference means of a model file: how they are taken, and that nothing else of the file changes."""

from importlib.resources import files

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, ReferenceMean
from support import tiny
from training.corpus import Clip
from training.neutral import NEUTRAL
from training.reference import reference, some, write


def clips(corpus: str, *labels: str) -> list[Clip]:
    return [Clip(f"{corpus}/{number}.wav", label, "x", corpus) for number, label in enumerate(labels)]


def properties(model: onnx.ModelProto) -> dict[str, str]:
    return {item.key: item.value for item in model.metadata_props}


def test_each_corpus_counts_the_same_however_large() -> None:
    spoken = {"emodb": clips("emodb", "sad", "sad", "sad", "neutral"), "mine": clips("mine", "sad", "angry")}
    rows = {
        "emodb": dict(zip((clip.path for clip in spoken["emodb"]), np.eye(4, dtype=np.float32), strict=True)),
        "mine": {"mine/0.wav": np.full(4, 3, np.float32)},  # angry has no speech
    }
    means = reference(spoken, rows)
    assert list(means) == ["neutral", "sad"]
    np.testing.assert_allclose(means["sad"].embedding, [1.5 + 1 / 6] * 3 + [1.5], rtol=1e-6)
    assert means["sad"].embedding.dtype == np.float32
    assert (means["sad"].count, means["sad"].source) == (4, "EmoDB, mine")
    assert (means["neutral"].count, means["neutral"].source) == (1, "EmoDB")


def test_some_of_each_class_are_the_same_in_any_order() -> None:
    many = clips("emodb", *["sad"] * 9, *["angry"] * 2)
    chosen = some(many, 3)
    assert sorted(clip.label for clip in chosen) == ["angry"] * 2 + ["sad"] * 3
    assert set(some(many[::-1], 3)) == set(chosen)
    assert set(some(many, 2)) < set(chosen)


def test_only_the_readout_of_emotions_changes() -> None:
    model = onnx.load_from_string((files("emovox.models") / "bundled" / "lite.onnx").read_bytes())
    graph, before = model.graph.SerializeToString(), Metadata.from_properties(properties(model))
    assert before.emotions is not None
    mean = ReferenceMean(embedding=np.ones(before.embedding_size, np.float32), count=2, source="mine")
    write(model, {"sad": mean})
    after = Metadata.from_properties(properties(model))
    assert after.emotions is not None
    assert list(after.emotions.reference) == ["sad"]
    np.testing.assert_array_equal(after.emotions.reference["sad"].embedding, mean.embedding)
    assert after.emotions.prior == {"neutral": NEUTRAL}
    assert model.graph.SerializeToString() == graph
    facts = {"reference": before.emotions.reference, "prior": before.emotions.prior}
    restored = after.emotions.model_copy(update=facts)
    readouts = tuple(restored if item is after.emotions else item for item in after.readouts)
    assert after.model_copy(update={"readouts": readouts}) == before


@pytest.mark.parametrize(
    ("readouts", "label", "reason"),
    [((tiny.FOREIGN,), "sad", "no readout of emotions"), ((tiny.EMOTIONS,), "calm", "none of its labels")],
)
def test_a_model_without_these_labels_is_refused(readouts: tuple[Readout, ...], label: str, reason: str) -> None:
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, tiny.metadata(readouts=readouts).to_properties())
    mean = ReferenceMean(embedding=np.zeros(1, np.float32), count=1, source="mine")
    with pytest.raises(ValueError, match=reason):
        write(model, {label: mean})


def test_a_model_without_neutral_has_no_constant_in_it() -> None:
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, tiny.metadata().to_properties())
    write(model, {"sad": ReferenceMean(embedding=np.zeros(1, np.float32), count=1, source="mine")})
    written = Metadata.from_properties(properties(model)).emotions
    assert written is not None
    assert (list(written.reference), written.prior) == (["sad"], {})
