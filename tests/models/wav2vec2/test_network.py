import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emovox.errors import ModelError
from emovox.models.converted.conversion import convert
from emovox.models.metadata import Metadata
from emovox.models.own_head import read_own_head
from emovox.models.readout import Readout
from emovox.models.runtime.engine import Engine
from emovox.models.wav2vec2.snapshot import CTC, HEADLESS, SEQUENCE, SPEECH, read_snapshot
from support import torch_zip
from support import wav2vec2_snapshots as snapshots
from support.inference import Floats, Outputs, load, run, softmax, speech
from support.torch_zip import Call, Checkpoint, Name
from support.transformers_model import build, infer, parity, save
from support.wav2vec2_snapshots import (
    AUDEERING,
    BASE,
    CONFORMER_LARGE,
    DATA2VEC_LARGE,
    DIMENSIONS,
    LARGE,
    NAMED,
    RAVDESS,
    REGRESSION,
    WAVLM_BASE,
    WAVLM_LARGE,
    configure,
    random_state,
    stored,
    tiny,
)

HUBERT = {"model_type": "hubert"}
WAVLM = {"model_type": "wavlm"}
DATA = {"model_type": "data2vec-audio", "num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
CONFORM: dict[str, Any] = {"model_type": "wav2vec2-conformer", "conv_depthwise_kernel_size": 9}
LAYER = {"feat_extract_norm": "layer"}
STABLE = {"do_stable_layer_norm": True}
SUM = {"use_weighted_layer_sum": True}
# Each changes one setting of the tiny model, or a few that belong together.
SETTINGS: dict[str, dict[str, Any]] = {
    "wav2vec2, base's": {},
    "wav2vec2, weighted": SUM,
    "wav2vec2, layer": LAYER,
    "wav2vec2, stable": LAYER | STABLE,
    "wav2vec2, stable, weighted": LAYER | STABLE | SUM,
    "wav2vec2, group, stable": STABLE,
    "wav2vec2, conv_bias": {"conv_bias": True},
    "wav2vec2, layer, conv_bias": LAYER | {"conv_bias": True},
    "wav2vec2 with hubert's settings": {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False},
    "hubert, base's": HUBERT,
    "hubert, large's": HUBERT | LAYER | STABLE | SUM | {"conv_bias": True},
    "hubert, batch norm": HUBERT | {"conv_pos_batch_norm": True},
    "hubert, no norm of features": HUBERT | {"feat_proj_layer_norm": False},
    "wavlm, base's": WAVLM,
    "wavlm, weighted": WAVLM | SUM,
    "wavlm, large's": WAVLM | LAYER | STABLE,
    "wavlm, large's, weighted": WAVLM | LAYER | STABLE | SUM,
    "wavlm, conv_bias": WAVLM | LAYER | {"conv_bias": True},
    "wavlm, few buckets": WAVLM | {"num_buckets": 18, "max_bucket_distance": 11},
    "wavlm, an odd number of buckets": WAVLM | STABLE | {"num_buckets": 33, "max_bucket_distance": 50},
    "wavlm, the fewest buckets": WAVLM | {"num_buckets": 4, "max_bucket_distance": 2},
    "wavlm, one head, one layer": WAVLM | {"num_attention_heads": 1, "num_hidden_layers": 1},
    "wavlm with hubert's settings": WAVLM | {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False},
    "data2vec": DATA,
    "data2vec, weighted, with a bias": DATA | SUM | {"conv_bias": True},
    "data2vec, one wide convolution": DATA | {"num_conv_pos_embeddings": 1, "conv_pos_kernel_size": 6},
    "data2vec with the others' settings": DATA | {"feat_extract_norm": "group", "do_stable_layer_norm": True},
    "conformer, relative": CONFORM,
    "conformer, relative, layer, weighted": CONFORM | LAYER | SUM | {"conv_bias": True},
    "conformer, rotary": CONFORM | LAYER | {"position_embeddings_type": "rotary"},
    "conformer, rotary, weighted": CONFORM | SUM | {"position_embeddings_type": "rotary"},
    "conformer, no positions": CONFORM | {"position_embeddings_type": None},
    "conformer, swish": CONFORM | {"hidden_act": "swish"},
    "conformer, a narrow convolution": CONFORM | {"conv_depthwise_kernel_size": 1, "num_attention_heads": 1},
    "conformer, stable": CONFORM | {"do_stable_layer_norm": True, "layer_norm_eps": 0.1},
    "silu": {"hidden_act": "silu"},
    "a big layer_norm_eps": LAYER | {"layer_norm_eps": 0.1},
    "odd positional kernel": {"num_conv_pos_embeddings": 7},
    "positions of a single frame": {"num_conv_pos_embeddings": 1},
    "positions of each channel": {"num_conv_pos_embedding_groups": 32},
    "one head, one layer": {"num_attention_heads": 1, "num_hidden_layers": 1},
    "one layer, weighted, stable": {"num_hidden_layers": 1} | LAYER | STABLE | SUM,
    "strides beyond kernels": {"conv_dim": [8, 16, 8], "conv_kernel": [4, 3, 1], "conv_stride": [7, 5, 3]},
    "wide kernels": {"conv_dim": [8, 16, 40], "conv_kernel": [25, 7, 5], "conv_stride": [4, 3, 2]} | LAYER,
    "wide, group": {"conv_dim": [8, 4, 4], "conv_kernel": [25, 7, 7], "conv_stride": [4, 3, 3]},
}

# Models whose head isn't that of the settings above.
HEADS: dict[str, dict[str, Any]] = {
    "values, pooled": tiny(REGRESSION, DIMENSIONS, SPEECH),
    "values, pooled, base's": tiny({"problem_type": "regression"}, DIMENSIONS, SPEECH),
    "values, pooled, hubert": tiny(HUBERT | REGRESSION, ("LABEL_0",), SPEECH),
    "classes, pooled": tiny(REGRESSION | {"problem_type": None}, RAVDESS, SPEECH),
    "classes, pooled, which don't exclude each other": tiny(
        {"problem_type": "multi_label_classification"}, ("laughter", "breath"), SPEECH
    ),
    "values, linear": tiny(SUM | {"problem_type": "regression"}, ("arousal", "valence")),
    "classes, linear, which don't exclude each other": tiny(
        HUBERT | SUM | {"problem_type": "multi_label_classification"}, ("laughter", "sad", "breath")
    ),
    "classes that nobody knows": tiny({}, ("LABEL_0", "LABEL_1")),
    "a projector of one": tiny({"classifier_proj_size": 1}, RAVDESS),
    "wavlm, values, linear": tiny(WAVLM | SUM | {"problem_type": "regression"}, ("valence", "arousal")),
    "wavlm, values, pooled": tiny(WAVLM | REGRESSION, DIMENSIONS, SPEECH),
    "wavlm, embeddings": tiny(WAVLM | LAYER | STABLE, architecture=HEADLESS),
    "ctc": tiny({}, architecture=CTC),
    "ctc, values, data2vec": tiny(DATA | {"problem_type": "regression"}, DIMENSIONS, CTC),
    "ctc, conformer": tiny(CONFORM, architecture=CTC),
    "data2vec, embeddings": tiny(DATA, architecture=HEADLESS),
    "conformer, embeddings": tiny(CONFORM, architecture=HEADLESS),
    "embeddings": tiny(LAYER | STABLE, architecture=HEADLESS),
    "embeddings, hubert, though told to sum": tiny(HUBERT | SUM, architecture=HEADLESS),
}


def numbers_of(outputs: Outputs, readout: Readout, row: int = 0) -> Floats:
    """Scores or values, (K,)."""
    logits = outputs[f"{readout.name}.logits"][row]
    if readout.activation == "softmax":
        return softmax(logits).astype(np.float32)
    return np.asarray(1 / (1 + np.exp(-logits)) if readout.activation == "sigmoid" else logits, np.float32)


def metadata_of(session: Any) -> Metadata:
    return Metadata.from_properties(session.get_modelmeta().custom_metadata_map)


def converted(folder: Path, target: Path, labels: dict[str, str] | None = None) -> Path:
    return convert(
        read_snapshot(folder, labels),
        target,
        name="tiny",
        revision="1",
        licence="MIT",
        source="random weights",
        source_sha256="0" * 64,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return snapshots.write(tmp_path / "snapshot")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model of each kind of setting."""
    directory = tmp_path_factory.mktemp("padding")
    sessions: dict[str, Any] = {}
    configs = {name: tiny(changes) for name, changes in SETTINGS.items()} | HEADS
    for seed, (name, config) in enumerate(configs.items()):
        source = snapshots.write(directory / name, config, state=random_state(config, seed=seed))
        sessions[name] = load(converted(source, directory / f"{name} converted"))
    return sessions


class TestContract:
    def test_face_and_metadata(self, folder: Path, tmp_path: Path) -> None:
        path = converted(folder, tmp_path / "model")
        onnx.checker.check_model(str(path), full_check=True)
        session = load(path)
        outputs = [(value.name, value.type, value.shape) for value in session.get_outputs()]
        assert outputs == [
            ("frames", "tensor(float)", ["batch", "frames", 32]),
            ("frame_count", "tensor(int64)", ["batch"]),
            ("embedding", "tensor(float)", ["batch", 32]),
            ("emotion.logits", "tensor(float)", ["batch", 4]),
            ("emotion.frame_logits", "tensor(float)", ["batch", "frames", 4]),
        ]
        metadata = metadata_of(session)
        assert metadata.classes == ("angry", "happy", "neutral", "sad")  # in the nine's order
        assert (metadata.hop, metadata.first_centre, metadata.minimum_samples) == (320, 0.0125, 400)
        assert (metadata.embedding_size, metadata.precision) == (32, "fp32")

    @pytest.mark.parametrize(
        ("name", "kind", "activation", "labels", "range_"),
        [
            ("values, pooled", "pooled", "none", DIMENSIONS, (0, 1)),
            ("values, pooled, hubert", "pooled", "none", ("LABEL_0",), None),
            ("classes, pooled", "pooled", "softmax", RAVDESS, None),
            ("values, linear", "linear", "none", ("arousal", "valence"), (0, 1)),
            (
                "classes, linear, which don't exclude each other",
                "linear",
                "sigmoid",
                ("laughter", "sad", "breath"),
                None,
            ),
            ("classes that nobody knows", "linear", "softmax", ("LABEL_0", "LABEL_1"), None),
        ],
    )
    def test_what_each_head_gives(
        self, sessions: dict[str, Any], name: str, kind: str, activation: str, labels: tuple[str, ...], range_: Any
    ) -> None:
        [readout] = metadata_of(sessions[name]).readouts
        assert readout.name == ("dimensions" if activation == "none" else "emotion")
        assert (readout.kind, readout.activation, readout.labels) == (kind, activation, labels)
        assert readout.range == range_
        assert not readout.gives_emotions
        outputs = [value.name for value in sessions[name].get_outputs()]
        assert (f"{readout.name}.frame_logits" in outputs) == (kind == "linear")

    def test_a_model_without_a_head_gives_embeddings_alone(self, sessions: dict[str, Any]) -> None:
        session = sessions["embeddings"]
        assert metadata_of(session).readouts == ()
        assert [value.name for value in session.get_outputs()] == ["frames", "frame_count", "embedding"]

    def test_several_labels_may_mean_one_emotion(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "snapshot", tiny({}, RAVDESS, SPEECH))
        session = load(converted(folder, tmp_path / "model", {"calm": "neutral", "disgust": "disgusted"}))
        [readout] = metadata_of(session).readouts
        assert readout.emotions == {name: name for name in RAVDESS if name not in ("calm", "disgust")} | {
            "calm": "neutral",
            "disgust": "disgusted",
        }
        assert readout.gives_emotions
        assert not readout.is_nine
        assert run(session, speech(5000))["emotion.logits"].shape == (1, 8)

    def test_the_means_of_the_frames_are_the_whole(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(9000), speech(5000, 1))
            linear = [readout.name for readout in metadata_of(session).readouts if readout.kind == "linear"]
            pairs = [("frames", "embedding"), *((f"{name}.frame_logits", f"{name}.logits") for name in linear)]
            for row, count in enumerate(result["frame_count"]):
                for parts, whole in pairs:
                    values = result[parts][row]
                    np.testing.assert_allclose(
                        values[:count].mean(axis=0), result[whole][row], rtol=1e-5, atol=1e-5
                    )
                    assert not values[count:].any()

    def test_a_row_too_short_for_a_frame_is_empty(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(6000), speech(3), speech(0))
            assert result["frame_count"][1:].tolist() == [0, 0]
            assert not result["frames"][1:].any()
            assert all(np.isfinite(value).all() for value in result.values())

    def test_its_own_head_can_be_read(self, folder: Path, tmp_path: Path) -> None:
        """The projector and the classifier are one matrix, from which a trained head may start."""
        path = converted(folder, tmp_path / "model")
        head = read_own_head(path)
        assert head is not None
        result = run(load(path), speech(5000))
        columns = [NAMED.index(name) for name in head.classes]
        expected = result["frames"][0] @ head.weights.T + head.bias
        np.testing.assert_allclose(result["emotion.frame_logits"][0][:, columns], expected, atol=1e-4)


class TestPadding:
    """A row's outputs depend neither on the other rows nor on what its padding holds."""

    @pytest.mark.parametrize("name", [*SETTINGS, *HEADS])
    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        lengths=st.lists(st.integers(400, 12_000), min_size=1, max_size=4),
        beyond=st.integers(0, 5000),
        garbage=st.sampled_from([0.0, 1.0, -1e4, 1e30, np.nan, np.inf]),
    )
    @example(lengths=[400, 8000, 719], beyond=0, garbage=0.0)
    @example(lengths=[3000, 7000], beyond=700, garbage=np.nan)
    def test_batched_equals_single(
        self, sessions: dict[str, Any], name: str, lengths: list[int], beyond: int, garbage: float
    ) -> None:
        session = sessions[name]
        waveforms = [speech(length, seed) for seed, length in enumerate(lengths)]
        rows = np.full((len(lengths), max(lengths) + beyond), garbage, np.float32)
        for row, waveform in zip(rows, waveforms, strict=True):
            row[: len(waveform)] = waveform
        batch = run(session, *waveforms, rows=rows)
        for index, waveform in enumerate(waveforms):
            single = run(session, waveform)
            count = single["frame_count"][0]
            assert batch["frame_count"][index] == count
            frames, expected = batch["frames"][index], single["frames"][0]
            np.testing.assert_allclose(frames[:count], expected, atol=1e-4 * np.abs(expected).max())
            assert not frames[count:].any()
            for readout in metadata_of(session).readouts:
                numbers = numbers_of(batch, readout, index)
                np.testing.assert_allclose(numbers, numbers_of(single, readout), atol=1e-5)


@pytest.mark.parametrize("length", [400, 4801, 160_000])
def test_openvino_computes_wavlm_as_onnxruntime_does(tmp_path: Path, length: int) -> None:
    pytest.importorskip("openvino")
    for index, changes in enumerate((WAVLM | SUM, WAVLM | LAYER | STABLE)):
        path = converted(
            snapshots.write(tmp_path / f"snapshot {index}", tiny(changes)), tmp_path / f"model {index}"
        )
        [[ours], [theirs]] = (
            Engine(path, engine=engine).run([speech(length)], frames=True)
            for engine in ("onnxruntime", "openvino")
        )
        assert ours.frames is not None
        assert theirs.frames is not None
        np.testing.assert_allclose(theirs.frames, ours.frames, atol=1e-4 * np.abs(ours.frames).max())
        np.testing.assert_allclose(theirs.logits["emotion"], ours.logits["emotion"], atol=2e-5)


class TestWeights:
    def model(self, folder: Path, target: Path) -> tuple[bytes, bytes]:
        path = converted(folder, target)
        return path.read_bytes(), path.with_name("model.onnx.data").read_bytes()

    def test_both_forms_and_both_namings_of_weight_norm_lead_to_the_same_model(
        self, folder: Path, tmp_path: Path
    ) -> None:
        expected = self.model(folder, tmp_path / "model")
        state = random_state(tiny())
        for number, (old, new) in enumerate(
            [("weight_g", "parametrizations.weight.original0"), ("weight_v", "parametrizations.weight.original1")]
        ):
            name = f"encoder.pos_conv_embed.conv.{old}"
            state[name.replace(old, new)] = state.pop(name)
            if number:
                other = snapshots.write(tmp_path / "new names", state=state)
                assert self.model(other, tmp_path / "new") == expected
        pickled = snapshots.write(tmp_path / "pickled", safe=False)
        assert not (pickled / "model.safetensors").exists()
        assert self.model(pickled, tmp_path / "bin") == expected

    @pytest.mark.parametrize("safe", [True, False])
    def test_several_files_lead_to_the_same_model(self, folder: Path, tmp_path: Path, safe: bool) -> None:
        shards = snapshots.write(tmp_path / "shards", safe=safe, shards=4)
        assert self.model(shards, tmp_path / "several") == self.model(folder, tmp_path / "model")

    def test_safetensors_come_first(self, folder: Path, tmp_path: Path) -> None:
        torch_zip.save(folder / "pytorch_model.bin", {"weight": np.zeros(1, np.float32)})
        assert read_snapshot(folder).weights == folder / "model.safetensors"

    def test_hubert_has_another_prefix(self, folder: Path, tmp_path: Path) -> None:
        hubert = snapshots.write(tmp_path / "hubert", tiny(HUBERT), state=random_state(tiny()))
        assert self.model(folder, tmp_path / "a")[1] == self.model(hubert, tmp_path / "b")[1]

    def test_all_that_is_wrong_is_listed(self, tmp_path: Path) -> None:
        state = random_state(tiny())
        del state["encoder.layers.0.attention.q_proj.weight"]
        state["projector.bias"] = np.zeros(7, np.float32)
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError) as caught:
            converted(folder, tmp_path / "model")
        assert str(caught.value) == (
            "model.safetensors doesn't fit its config: encoder.layers.0.attention.q_proj.weight is missing; "
            "projector.bias has the shape (7,), not (12,)"
        )

    def test_a_global_in_the_place_of_a_weight_is_refused_by_name(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "snapshot", safe=False)
        checkpoint = Checkpoint()
        state: dict[str, Any] = {
            name: checkpoint.tensor(value) for name, value in stored(tiny(), random_state(tiny())).items()
        }
        state["classifier.bias"] = Call(Name("os", "system"), ("true",))
        checkpoint.write(folder / "pytorch_model.bin", state)
        with pytest.raises(ModelError, match=r"classifier\.bias is made by os\.system, which is refused"):
            converted(folder, tmp_path / "model")

    def test_both_names_of_the_last_layer_lead_to_the_same_model(self, tmp_path: Path) -> None:
        config = tiny({}, RAVDESS, SPEECH)
        state = random_state(config)
        expected = self.model(snapshots.write(tmp_path / "snapshot", config, state=state), tmp_path / "model")
        renamed = {
            name.replace("out_proj", "output") if "encoder" not in name else name: state[name] for name in state
        }
        assert "classifier.output.bias" in renamed
        # Published so: the checkpoint of the other class, under the name of transformers' own.
        for number, architecture in enumerate((SPEECH, SEQUENCE)):
            config = tiny({}, RAVDESS, architecture)
            folder = snapshots.write(tmp_path / f"snapshot {number}", config, state=renamed)
            assert self.model(folder, tmp_path / f"model {number}") == expected

    @pytest.mark.parametrize("prefix", ["wav2vec2.", ""])
    def test_a_model_without_a_head_has_a_prefix_or_none(self, tmp_path: Path, prefix: str) -> None:
        config = tiny(architecture=HEADLESS)
        state = {prefix + name: value for name, value in random_state(config).items()}
        state["lm_head.weight"] = np.zeros((30, 32), np.float32)  # of no use
        snapshots.describe(tmp_path, config)
        snapshots.save_safetensors(tmp_path / "model.safetensors", state)
        session = load(converted(tmp_path, tmp_path / "model"))
        expected = load(converted(snapshots.write(tmp_path / "plain", config), tmp_path / "plain model"))
        np.testing.assert_array_equal(run(session, speech(4000))["frames"], run(expected, speech(4000))["frames"])

    @pytest.mark.parametrize(
        ("architecture", "parts", "says"),
        [
            (SEQUENCE, ("classifier.dense", "classifier.out_proj", "projector"), "has a head of classifier.dense"),
            (SEQUENCE, ("classifier.dense", "classifier.out_proj", "classifier.output"), "these can be computed"),
            (
                SPEECH,
                ("classifier.dense", "classifier.layer_norm", "classifier.out_proj"),
                "classifier.layer_norm",
            ),
            (
                SPEECH,
                ("projector", "classifier"),
                "has a linear head .classifier, projector., and config.json is of",
            ),
            (
                SEQUENCE,
                ("projector", "classifier", "classifier.0"),
                "has a head of classifier, classifier.0, proj",
            ),
            (HEADLESS, ("projector", "classifier"), "config.json is of a model without one"),
            (SEQUENCE, (), "doesn't fit its config: projector.weight is missing"),
            (SPEECH, (), "doesn't fit its config: classifier.dense.weight is missing"),
            (SPEECH, ("classifier.dense", "classifier.out_proj", "x"), "has layer_weights and classifier.dense"),
        ],
    )
    def test_a_head_that_isnt_the_configs_is_refused(
        self, tmp_path: Path, architecture: str, parts: tuple[str, ...], says: str
    ) -> None:
        state = random_state(tiny(architecture=HEADLESS))
        for part in parts:
            state |= {f"{part}.{kind}": np.zeros(4, np.float32) for kind in ("weight", "bias")}
        config = tiny(SUM if "x" in parts else {}, architecture=architecture)
        if "x" in parts:
            state["layer_weights"] = np.zeros(3, np.float32)
        folder = snapshots.write(tmp_path / "snapshot", config, state=state)
        with pytest.raises(ModelError, match=says):
            converted(folder, tmp_path / "model")

    def test_another_number_of_outputs_than_labels_is_refused(self, tmp_path: Path) -> None:
        state = random_state(tiny(REGRESSION, DIMENSIONS, SPEECH))
        folder = snapshots.write(tmp_path / "snapshot", tiny(REGRESSION, DIMENSIONS[:2], SPEECH), state=state)
        with pytest.raises(ModelError, match=r"classifier.out_proj.weight has the shape \(3, 32\), not \(2, 32\)"):
            converted(folder, tmp_path / "model")

    @pytest.mark.parametrize("dtype", ["float16", "float64"])
    def test_other_precisions_become_fp32(self, tmp_path: Path, dtype: str) -> None:
        state: dict[str, Any] = {name: value.astype(dtype) for name, value in random_state(tiny()).items()}
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        exact = {name: value.astype(np.float32) for name, value in state.items()}
        expected = snapshots.write(tmp_path / "exact", state=exact)
        assert self.model(folder, tmp_path / "a") == self.model(expected, tmp_path / "b")


@parity
class TestParity:
    """Transformers' own classes and ours, on the same random weights."""

    def check(
        self,
        tmp_path: Path,
        config: dict[str, Any],
        lengths: tuple[int, ...],
        *,
        seed: int = 0,
        safe: bool = True,
        normalize: bool = True,
        prepare: Callable[[Floats], Floats] = lambda waveform: waveform,
    ) -> None:
        model = build(config, seed=seed)
        folder = save(model, tmp_path / "snapshot", safe=safe, normalize=normalize)
        session = load(converted(folder, tmp_path / "model"))
        waveforms = [prepare(speech(length, index)) for index, length in enumerate(lengths)]
        singles = [run(session, waveform) for waveform in waveforms]
        together = run(session, *waveforms[:3])
        for index, waveform in enumerate(waveforms):
            [(frames, numbers)] = infer(model, waveform, normalize=normalize)
            self.compare(session, singles[index], 0, frames, numbers)
            if index < 3:
                self.compare(session, together, index, frames, numbers)
        masked = config.get("feat_extract_norm") == "layer" and not config["architectures"][0].endswith(
            (SPEECH, CTC)
        )
        if masked and config["model_type"] != "wav2vec2-conformer":  # where transformers masks a batch's padding
            for index, (frames, numbers) in enumerate(
                infer(model, *waveforms[:3], normalize=normalize, mask=True)
            ):
                self.compare(session, together, index, frames, numbers)

    def compare(self, session: Any, outputs: Outputs, row: int, frames: Floats, numbers: Floats) -> None:
        assert outputs["frame_count"][row] == len(frames)
        size = np.abs(frames).max()
        assert np.abs(outputs["frames"][row, : len(frames)] - frames).max() < 1e-4 * size
        assert np.abs(outputs["embedding"][row] - frames.mean(axis=0)).max() < 1e-4 * size
        for readout in metadata_of(session).readouts:
            assert np.abs(numbers_of(outputs, readout, row) - numbers).max() < 1e-5 * max(1, np.abs(numbers).max())

    @pytest.mark.parametrize("changes", list(SETTINGS.values()), ids=list(SETTINGS))
    def test_every_setting(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        self.check(tmp_path, tiny(changes), (400, 719, 4801, 20_003))

    @pytest.mark.parametrize("config", list(HEADS.values()), ids=list(HEADS))
    def test_every_head(self, tmp_path: Path, config: dict[str, Any]) -> None:
        self.check(tmp_path, config, (400, 719, 4801, 20_003), seed=2)

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("safe", [True, False])
    def test_every_form(self, tmp_path: Path, safe: bool, normalize: bool) -> None:
        self.check(tmp_path, tiny(SUM), (400, 1039, 1040, 30_001), seed=1, safe=safe, normalize=normalize)

    @pytest.mark.parametrize("safe", [True, False])
    def test_shards_as_transformers_writes_them(self, tmp_path: Path, safe: bool) -> None:
        model = build(tiny(WAVLM | SUM))
        folder = save(model, tmp_path / "snapshot", safe=safe, shard="40kB")
        assert len(read_snapshot(folder).weight_files) > 2
        session = load(converted(folder, tmp_path / "model"))
        [(frames, numbers)] = infer(model, speech(9000))
        self.compare(session, run(session, speech(9000)), 0, frames, numbers)

    @pytest.mark.parametrize(
        "config",
        [
            tiny(),
            tiny(HUBERT | LAYER | STABLE | SUM),
            tiny(REGRESSION, DIMENSIONS, SPEECH),
            tiny(WAVLM | SUM),
            tiny(WAVLM | LAYER | STABLE | SUM),
            tiny(DATA),
            tiny(CONFORM | LAYER),
            tiny(CONFORM | {"position_embeddings_type": "rotary"}),
        ],
    )
    def test_thirty_seconds(self, tmp_path: Path, config: dict[str, Any]) -> None:
        self.check(tmp_path, config, (480_000,))

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        """Loud, hardly there, silent, and far beside zero, where rounding the mean would be heard."""

        def prepare(waveform: Floats) -> Floats:
            return (waveform * gain + offset).astype(np.float32)

        self.check(tmp_path, tiny(LAYER), (400, 16_001, 160_000), prepare=prepare)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "config",
        [
            configure(BASE),
            configure(LARGE),
            configure(AUDEERING, DIMENSIONS, SPEECH),
            configure(WAVLM_BASE),
            configure(WAVLM_LARGE),
            configure(DATA2VEC_LARGE),
            configure(CONFORMER_LARGE),
        ],
        ids=["base", "large", "audeering", "wavlm base", "wavlm large", "data2vec large", "conformer large"],
    )
    def test_full_size(self, tmp_path: Path, config: dict[str, Any]) -> None:
        self.check(tmp_path, config, (400, 16_001, 48_000, 160_000))


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
