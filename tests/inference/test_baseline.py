"""A baseline on the way from windows to a result."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emovox.archive.record import from_recognition
from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit
from emovox.baselines.shift import ALONG_NEUTRAL
from emovox.emotions import NAMES
from emovox.errors import BaselineError, OptionsError
from emovox.inference.nine import UNTRAINED
from emovox.inference.options import Options, Request
from emovox.inference.raw import frames_without_baseline, without_baseline
from emovox.inference.recognition import BASELINE_FAR, BASELINE_SHORT, Recognition, Segment, json_schema
from emovox.inference.recognizer import Recognizer
from emovox.models.metadata import Precision
from emovox.models.readout import Readout
from emovox.models.reference import labelled_clips
from support import snapshots, tiny
from support.baselines import baseline, with_reference
from support.heads import head

RATE = 16_000
WIDE = snapshots.tiny({"embed_dim": 256}, {"conv_pos_groups": 4})
NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)
CALLS = with_reference(tiny.CALLS, calm=0, angry=0.1, furious=0.3, happy=0.5)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def loaded(directory: Path, *readouts: object) -> Recognizer:
    return Recognizer(tiny.write(directory / "tiny.onnx", readouts=readouts))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return loaded(tmp_path_factory.mktemp("model"), NINE, tiny.MOODS)


@pytest.fixture(scope="module")
def own(model: Recognizer) -> Baseline:
    return baseline(model.metadata, mean=0.2)


@pytest.fixture(scope="module")
def sound(speech: np.ndarray) -> tuple[np.ndarray, int]:
    pause = np.zeros(RATE, np.float32)
    parts = [part for shift in (0.0, 0.2, -0.1) for part in (speech + np.float32(shift), pause)]
    return np.concatenate(parts), RATE


def nine(item: Recognition | Segment, *, without: bool = False) -> np.ndarray:
    scores = item.scores_without if without else item.scores
    assert scores is not None
    return np.array([scores[name] for name in NAMES])


def moved(item: Recognition | Segment, result: Recognition) -> np.ndarray:
    """The scores that follow from those without the baseline and its shift."""
    assert result.baseline is not None
    known = nine(item, without=True) > 0
    vector = np.array([result.baseline.shift["emotion"].get(name, 0) for name in NAMES])
    return softmax(np.where(known, np.log(np.maximum(nine(item, without=True), 1e-300)) + vector, -np.inf))


def test_without_one_nothing_changes(model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline) -> None:
    plain = model.recognize(sound, granularity="frame", segments=True)
    relative = model.recognize(sound, granularity="frame", segments=True, baseline=own)
    assert "baseline" not in plain.to_json()
    assert "scores_without" not in plain.to_json()
    assert relative.scores_without == plain.scores
    assert relative.readouts == plain.readouts  # the moods
    assert [item.scores_without for item in relative.segments or []] == [
        item.scores for item in plain.segments or []
    ]
    assert plain.frames is not None
    assert relative.frames is not None
    np.testing.assert_array_equal(plain.frames.logits, relative.frames.logits)
    assert relative.scores != plain.scores


def test_the_shift_is_the_rules(model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline) -> None:
    result = model.recognize(sound, granularity="frame", segments=True, baseline=own, expect="neutral=0.8")
    facts = result.baseline
    assert facts is not None
    assert (facts.name, facts.count, facts.checksum) == ("line3", 20, own.checksum)
    assert facts.expectation == pytest.approx({"angry": 0.2 / 3, "happy": 0.2 / 3, "neutral": 0.8, "sad": 0.2 / 3})
    mixture = 0.8 * -0.4 + 0.2 / 3 * (0.3 + 0.5 + 0.1)
    expected = np.arange(1, 6) * (mixture - 0.2) * ALONG_NEUTRAL * 20 / 24
    assert facts.shift == {"emotion": pytest.approx(dict(zip(NINE.labels, expected, strict=True)), rel=1e-6)}
    items: list[Recognition | Segment] = [result, *(result.segments or [])]
    for item in items:
        np.testing.assert_allclose(nine(item), moved(item, result), atol=1e-6)
        assert item.emotion == NAMES[nine(item).argmax()]
        assert item.confidence == nine(item).max()


def test_the_curve_still_averages_to_the_verdict(
    model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline
) -> None:
    result = model.recognize(sound, granularity="frame", baseline=own, smoothing=1000)
    assert result.frames is not None
    assert result.frames.logits is not None
    assert result.baseline is not None
    assert result.frames.scores is not None
    np.testing.assert_allclose(result.frames.scores[0], nine(result), atol=1e-5)
    vector = np.array([result.baseline.shift["emotion"].get(name, 0) for name in NAMES])
    np.testing.assert_allclose(softmax(result.frames.logits.mean(axis=0) + vector), nine(result), atol=1e-5)
    assert result.frames.logits.min() == UNTRAINED  # as the model gives them


def test_batched_equals_single(model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline) -> None:
    half = (sound[0][: len(sound[0]) // 2], RATE)
    options = Options(segments=True, baseline=own)
    together = model.recognize_together(
        [Request(half, options), Request(sound, Options()), Request(sound, options)]
    )
    assert isinstance(together[1], Recognition)
    assert together[1].baseline is None
    for source, result in ((half, together[0]), (sound, together[2])):
        single = model.recognize(source, segments=True, baseline=own)
        assert isinstance(result, Recognition)
        assert (result.scores, result.segments, result.baseline) == (
            single.scores,
            single.segments,
            single.baseline,
        )
    many = list(model.recognize_many([half, sound], segments=True, baseline=own))
    assert [item.scores for item in many] == [together[0].scores, together[2].scores]  # type: ignore[union-attr]


def test_the_json_holds_it_and_fits_the_schema(
    model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline
) -> None:
    result = model.recognize(sound, granularity="frame", segments=True, baseline=own)
    jsonschema.validate(json.loads(result.to_json()), json_schema())
    again = Recognition.from_json(result.to_json())
    assert (again.baseline, again.scores_without) == (result.baseline, result.scores_without)
    assert [item.scores_without for item in again.segments or []] == [
        item.scores_without for item in result.segments or []
    ]


def test_classes_of_its_own_are_moved_too(tmp_path: Path, sound: tuple[np.ndarray, int]) -> None:
    model = loaded(tmp_path, CALLS)
    result = model.recognize(
        sound, baseline=baseline(model.metadata, mean=0.2), granularity="frame", smoothing=1000
    )
    item = result.readouts["emotion"]
    assert result.baseline is not None
    assert item.scores is not None
    assert item.scores_without is not None
    vector = np.array(list(result.baseline.shift["emotion"].values()))
    expected = softmax(np.log(list(item.scores_without.values())) + vector)
    np.testing.assert_allclose(list(item.scores.values()), expected, atol=1e-6)
    assert result.frames is not None
    np.testing.assert_allclose(result.frames.readouts["emotion"].numbers[0], expected, atol=1e-5)
    assert result.scores is not None
    assert result.scores["angry"] == pytest.approx(item.scores["angry"] + item.scores["furious"])


def test_embeddings_and_trained_heads_are_not_moved(
    model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline
) -> None:
    trained = head(model.metadata)
    plain = model.recognize(sound, embedding=True, head=trained)
    relative = model.recognize(sound, embedding=True, head=trained, baseline=own)
    assert plain.embedding is not None
    np.testing.assert_array_equal(plain.embedding, relative.embedding)
    assert plain.readouts == relative.readouts


def test_only_what_may_win_is_expected(model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline) -> None:
    result = model.recognize(sound, baseline=own, emotions=["sad", "neutral"])
    assert result.baseline is not None
    assert result.baseline.expectation == {"neutral": 0.5, "sad": 0.5}
    assert nine(result)[[NAMES.index("sad"), NAMES.index("neutral")]].sum() == pytest.approx(1)


def test_silence_stays_unknown(model: Recognizer) -> None:
    own = baseline(model.metadata, mean=0.2, spread=1e-4)
    result = model.recognize((np.zeros(RATE, np.float32), RATE), baseline=own)
    assert (result.emotion, result.confidence) == ("unknown", 1)
    assert result.scores_without == result.scores
    assert BASELINE_FAR not in result.warnings


def test_a_recording_that_it_doesnt_fit_is_warned_of(
    model: Recognizer, sound: tuple[np.ndarray, int], speech: np.ndarray
) -> None:
    for spread, codes in ((1.0, []), (1e-4, [BASELINE_FAR])):
        own = baseline(model.metadata, mean=0.2, spread=spread)
        assert [code for code in model.recognize(sound, baseline=own).warnings if code == BASELINE_FAR] == codes
    fitting = baseline(model.metadata, mean=float(speech.mean()), spread=0.01)
    quiet = np.concatenate([speech, np.full(20 * RATE, 0.9, np.float32)])  # far, but no speech
    assert BASELINE_FAR in model.recognize((quiet, RATE), baseline=fitting).warnings


def test_it_is_given_by_name_or_path(
    model: Recognizer, sound: tuple[np.ndarray, int], own: Baseline, tmp_path: Path
) -> None:
    own.write(baseline_path("line3"))
    own.write(tmp_path / "x.json")
    scores = model.recognize(sound, baseline=own).scores
    assert model.recognize(sound, baseline="line3").scores == scores
    assert model.recognize(sound, baseline=tmp_path / "x.json").scores == scores


def test_what_is_refused(model: Recognizer, tmp_path: Path, sound: tuple[np.ndarray, int], own: Baseline) -> None:
    with pytest.raises(BaselineError, match="no baseline 'line4'"):
        model.recognize(sound, baseline="line4")
    with pytest.raises(OptionsError, match="choose a baseline, too"):
        model.recognize(sound, expect={"neutral": 0.8})
    with pytest.raises(OptionsError, match="expect 'joy'"):
        model.recognize(sound, baseline=own, expect={"joy": 0.8})
    with pytest.raises(OptionsError, match="here the model knows"):
        list(model.recognize_many([sound], baseline=own, expect={"fearful": 0.8}))
    with pytest.raises(BaselineError, match="has no reference means"):
        loaded(tmp_path, tiny.classes("surprised", "other")).recognize(sound, baseline=own)


def test_the_archive_keeps_what_is_comparable(tmp_path: Path, sound: tuple[np.ndarray, int]) -> None:
    model = loaded(tmp_path, CALLS, tiny.MOODS)
    plain = model.recognize(sound, segments=True)
    relative = model.recognize(sound, segments=True, baseline=baseline(model.metadata, mean=0.2))
    assert relative.scores != plain.scores
    raw = without_baseline(relative)
    assert (raw.emotion, raw.confidence, raw.scores, raw.readouts, raw.segments, raw.baseline) == (
        plain.emotion, plain.confidence, plain.scores, plain.readouts, plain.segments, None,
    )  # fmt: skip
    record = from_recognition(relative)
    assert record.scores == plain.scores
    assert record.id != from_recognition(plain).id
    assert without_baseline(plain) is plain


@pytest.mark.parametrize("speech_only", [False, True])
@pytest.mark.parametrize(
    "readout",
    [
        NINE,
        CALLS,
        with_reference(
            tiny.classes(
                "生气/angry", "开心/happy", "<unk>",
                emotions={"生气/angry": "angry", "开心/happy": "happy", "<unk>": "unknown"},
            ),
            1, **{"生气/angry": 0.3, "开心/happy": 0.5},
        ),
    ],
)  # fmt: skip
def test_the_curve_without_it_is_the_one_that_was(
    tmp_path: Path, sound: tuple[np.ndarray, int], readout: Readout, speech_only: bool
) -> None:
    model = loaded(tmp_path, readout, tiny.MOODS)
    own = baseline(model.metadata, mean=0.2)
    plain = model.recognize(sound, granularity="frame", speech_only=speech_only).frames
    relative = model.recognize(sound, granularity="frame", speech_only=speech_only, baseline=own)
    assert plain is not None
    assert relative.frames is not None
    assert relative.baseline is not None
    raw = frames_without_baseline(relative.frames, relative.baseline, relative.model.emotions)
    assert raw.scores is not None
    assert plain.scores is not None
    np.testing.assert_allclose(raw.scores, plain.scores, atol=1e-6)
    assert np.abs(raw.scores - np.asarray(relative.frames.scores)).max() > 0.001
    assert raw.readouts.keys() == plain.readouts.keys()
    for name, item in plain.readouts.items():
        np.testing.assert_allclose(raw.readouts[name].numbers, item.numbers, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_converted_model_is_moved_as_its_own_matrix_says(
    tmp_path: Path, sound: tuple[np.ndarray, int], precision: Precision
) -> None:
    model = Recognizer(snapshots.write(tmp_path / "mine", WIDE), precision=precision)
    results = [model.recognize(sound, embedding=True, speech_only=True)]
    [own] = fit("mine", [item.embedding[0] for item in results if item.embedding is not None], model.metadata)
    plain = model.recognize(sound, embedding=True)
    relative = model.recognize(sound, baseline=own, expect={"angry": 1.0})
    assert relative.baseline is not None
    assert relative.scores_without == plain.scores
    head = model.own_head
    assert head is not None
    assert plain.embedding is not None
    # An embedding moved as far as the rule says, through the model's own head.
    angry = np.mean([embedding_of(model, clip) for label, clip in labelled_clips() if label == "angry"], axis=0)
    moved = plain.embedding[0] + (angry - own.mean) / 5
    expected = softmax(head.weights @ moved + head.bias)
    np.testing.assert_allclose(nine(relative)[: len(expected)], expected, atol=2e-3)


def embedding_of(model: Recognizer, clip: np.ndarray) -> np.ndarray:
    result = model.recognize((clip, RATE), embedding=True)
    assert result.embedding is not None
    embedding: np.ndarray = result.embedding[0]
    return embedding


@pytest.fixture(scope="module")
def long(speech: np.ndarray) -> tuple[np.ndarray, int]:
    """Nine segments, one higher than the other."""
    pause = np.zeros(RATE, np.float32)
    parts = [part for step in range(9) for part in (speech + np.float32(step / 20), pause)]
    return np.concatenate(parts), RATE


def test_relative_to_itself_only_segments_and_curve_move(model: Recognizer, long: tuple[np.ndarray, int]) -> None:
    plain = model.recognize(long, segments=True, granularity="frame", embedding=True)
    result = model.recognize(long, segments=True, granularity="frame", baseline="self", smoothing=1000)
    assert (result.emotion, result.scores, result.confidence) == (plain.emotion, plain.scores, plain.confidence)
    assert result.scores_without is None
    assert BASELINE_SHORT not in result.warnings
    segments, facts = plain.segments or [], result.baseline
    assert facts is not None
    assert (facts.name, facts.count) == ("self", len(segments)) == ("self", 9)
    mean = np.mean([item.embedding[0] for item in segments if item.embedding is not None])
    mixture = 0.5 * -0.4 + (0.3 + 0.5 + 0.1) / 6
    expected = np.arange(1, 6) * (mixture - mean) * ALONG_NEUTRAL * 9 / 13
    assert list(facts.shift["emotion"].values()) == pytest.approx(list(expected), rel=1e-4)
    for before, item in zip(segments, result.segments or [], strict=True):
        assert item.scores_without == before.scores
        np.testing.assert_allclose(nine(item), moved(item, result), atol=1e-6)
    assert result.frames is not None
    assert result.frames.scores is not None
    assert result.frames.logits is not None
    assert plain.frames is not None
    np.testing.assert_array_equal(result.frames.logits, plain.frames.logits)
    vector = np.array([facts.shift["emotion"].get(name, 0) for name in NAMES])
    curve = softmax(result.frames.logits.mean(axis=0) + vector)
    np.testing.assert_allclose(result.frames.scores[0], curve, atol=1e-5)


def test_too_little_speech_is_relative_to_nothing(
    model: Recognizer, sound: tuple[np.ndarray, int], long: tuple[np.ndarray, int]
) -> None:
    plain = model.recognize(sound, segments=True)
    result = model.recognize(sound, segments=True, baseline="self")
    assert model.recognize(sound, baseline="self").segments == result.segments  # nothing else would be moved
    assert result.warnings == [*plain.warnings, BASELINE_SHORT]
    assert (result.baseline, result.segments) == (None, plain.segments)
    options = Options.of(segments=True, baseline="self", expect="neutral=0.8")
    short, enough = model.recognize_together([Request(sound, options), Request(long, options)])
    assert isinstance(short, Recognition)
    assert isinstance(enough, Recognition)
    assert (short.baseline, short.segments) == (None, plain.segments)
    assert enough.baseline is not None
    assert enough.baseline.expectation["neutral"] == 0.8
    with pytest.raises(OptionsError, match="expect fearful"):
        model.recognize(sound, baseline="self", expect={"fearful": 0.5})
