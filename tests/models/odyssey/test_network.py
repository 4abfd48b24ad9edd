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
from emovox.models.odyssey.snapshot import read_snapshot
from emovox.models.runtime.engine import Engine
from support import odyssey_model, odyssey_snapshots
from support.inference import Floats, Outputs, load, run, softmax, speech
from support.odyssey_snapshots import DIMENSIONS, EIGHT, configure, encoder, random_state, tiny
from support.transformers_model import parity

CONFIGS = {
    "values": tiny(),
    "classes": tiny(EIGHT),
    "a single value": tiny(("valence",)),
    "three layers": tiny(EIGHT, classifier_hidden_layers=3),
    "base": tiny(ssl_type="microsoft/wavlm-base"),
    "another level": tiny(mean=0.25, std=0.001),
    "no deviation": tiny(mean=0.0, std=0.0),
}


def converted(folder: Path, target: Path) -> Path:
    return convert(
        read_snapshot(folder),
        target,
        name="tiny",
        revision="1",
        licence="MIT",
        source="random weights",
        source_sha256="0" * 64,
    )


def metadata_of(session: Any) -> Metadata:
    return Metadata.from_properties(session.get_modelmeta().custom_metadata_map)


def numbers_of(outputs: Outputs, row: int = 0) -> Floats:
    """Scores or values, (K,)."""
    if "dimensions.logits" in outputs:
        return np.asarray(outputs["dimensions.logits"][row])
    return softmax(outputs["emotion.logits"][row]).astype(np.float32)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each kind."""
    directory = tmp_path_factory.mktemp("odyssey")
    return {
        name: converted(odyssey_snapshots.write(directory / name, config), directory / f"{name} converted")
        for name, config in CONFIGS.items()
    }


@pytest.fixture(scope="module")
def sessions(paths: dict[str, Path]) -> dict[str, Any]:
    return {name: load(path) for name, path in paths.items()}


class TestContract:
    def test_face_and_metadata(self, paths: dict[str, Path], sessions: dict[str, Any]) -> None:
        onnx.checker.check_model(str(paths["values"]), full_check=True)
        outputs = [(value.name, value.shape) for value in sessions["values"].get_outputs()]
        assert outputs == [
            ("frames", ["batch", "frames", 32]),
            ("frame_count", ["batch"]),
            ("embedding", ["batch", 32]),
            ("dimensions.logits", ["batch", 3]),
        ]
        metadata = metadata_of(sessions["values"])
        assert (metadata.hop, metadata.minimum_samples, metadata.embedding_size) == (320, 400, 32)
        [readout] = metadata.readouts
        assert (readout.name, readout.kind, readout.activation) == ("dimensions", "window", "none")
        assert (readout.labels, readout.range) == (DIMENSIONS, (0, 1))

    def test_classes_keep_their_names(self, sessions: dict[str, Any]) -> None:
        [readout] = metadata_of(sessions["classes"]).readouts
        assert (readout.name, readout.kind, readout.activation) == ("emotion", "window", "softmax")
        assert readout.labels == EIGHT
        assert readout.emotions == {"Angry": "angry", "Sad": "sad", "Happy": "happy", "Neutral": "neutral"}

    def test_values_go_by_their_names(self, tmp_path: Path, paths: dict[str, Path]) -> None:
        """Another order of the names is another order of the values, as of the rows of the head."""
        state = random_state(tiny())
        for part in ("weight", "bias"):
            name = f"ser_model.out.0.{part}"
            state[name] = state[name][[2, 0, 1]]
        config = tiny(("valence", "arousal", "dominance"))
        path = converted(odyssey_snapshots.write(tmp_path / "snapshot", config, state=state), tmp_path / "model")
        results = []
        for engine in (Engine(paths["values"], engine="onnxruntime"), Engine(path, engine="onnxruntime")):
            [readout] = engine.metadata.readouts
            [output] = engine.run([speech(9000)])
            results.append(dict(zip(readout.labels, engine.logits(readout, output).tolist(), strict=True)))
        assert results[0] == pytest.approx(results[1], abs=1e-6)

    def test_a_readout_of_other_frames_is_the_same_function(self, paths: dict[str, Path]) -> None:
        """Of a segment it is computed by itself, of the segment's frames."""
        engine = Engine(paths["values"], engine="onnxruntime")
        [output] = engine.run([speech(9000)], frames=True)
        assert output.frames is not None
        function = engine.functions["dimensions"]
        counts = np.array([len(output.frames)], np.int64)
        np.testing.assert_allclose(
            function(output.frames[np.newaxis], counts)[0], output.logits["dimensions"], atol=1e-5
        )
        padded = np.pad(output.frames, ((0, 7), (0, 0)))[np.newaxis]
        np.testing.assert_allclose(function(padded, counts)[0], output.logits["dimensions"], atol=1e-5)

    def test_a_row_too_short_for_a_frame_is_a_number(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(6000), speech(3), speech(0))
            assert result["frame_count"][1:].tolist() == [0, 0]
            assert all(np.isfinite(value).all() for value in result.values())


class TestPadding:
    @pytest.mark.parametrize("name", list(CONFIGS))
    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        lengths=st.lists(st.integers(400, 12_000), min_size=1, max_size=4),
        beyond=st.integers(0, 5000),
        garbage=st.sampled_from([0.0, 1.0, -1e4, 1e30, np.nan, np.inf]),
    )
    # Lengths of which the authors' own count of frames takes one or two too many.
    @example(lengths=[400, 8000, 719, 1041], beyond=0, garbage=0.0)
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
            np.testing.assert_allclose(
                batch["frames"][index][:count], single["frames"][0], atol=1e-4 * np.abs(single["frames"]).max()
            )
            np.testing.assert_allclose(numbers_of(batch, index), numbers_of(single), atol=1e-5)


class TestWeights:
    def test_both_forms_and_both_namings_of_weight_norm_lead_to_the_same_model(self, tmp_path: Path) -> None:
        state = random_state(tiny())
        renamed = {
            name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
                "conv.weight_v", "conv.parametrizations.weight.original1"
            ): value
            for name, value in state.items()
        }
        assert renamed.keys() != state.keys()
        folders = [
            odyssey_snapshots.write(tmp_path / "old", state=state),
            odyssey_snapshots.write(tmp_path / "new", state=renamed),
            odyssey_snapshots.write(tmp_path / "pickled", state=state, safe=False),
        ]
        models = {
            converted(folder, tmp_path / f"{folder.name} model").with_name("model.onnx.data").read_bytes()
            for folder in folders
        }
        assert len(models) == 1

    def test_sizes_are_those_of_the_checkpoint(self, tmp_path: Path) -> None:
        sizes: dict[str, Any] = {
            "conv_dim": [8, 12, 8, 8, 8, 8, 20],
            "intermediate_size": 24,
            "num_buckets": 40,
            "num_conv_pos_embeddings": 7,
            "num_conv_pos_embedding_groups": 8,
        }
        folder = odyssey_snapshots.write(tmp_path / "snapshot", state=random_state(tiny(), **sizes))
        config = read_snapshot(folder).encoder
        assert config.model_dump(include=set(sizes), mode="json") == sizes
        assert run(load(converted(folder, tmp_path / "model")), speech(5000))["dimensions.logits"].shape == (1, 3)

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("pool_model.attention", None, "pool_model.attention is missing"),
            (
                "ser_model.out.0.bias",
                np.zeros(4, np.float32),
                r"ser_model.out.0.bias has the shape \(4,\), not \(3,\)",
            ),
            (
                "ssl_model.encoder.layers.1.attention.q_proj.bias",
                None,
                "layers.1.attention.q_proj.bias is missing",
            ),
            (
                "ssl_model.feature_extractor.conv_layers.2.conv.weight",
                None,
                "conv_layers.2.conv.weight is missing",
            ),
            (
                "ssl_model.encoder.layers.0.attention.rel_attn_embed.weight",
                np.zeros((10**5, 4), np.float32),
                "model.safetensors: num_buckets: Input should be",
            ),
            (
                "ssl_model.encoder.pos_conv_embed.conv.weight_v",
                np.zeros((32, 33, 3), np.float32),
                "model.safetensors: num_conv_pos_embedding_groups: Input should be",
            ),
        ],
    )
    def test_what_doesnt_fit_is_refused(self, tmp_path: Path, name: str, value: Any, says: str) -> None:
        state = random_state(tiny())
        del state[name]
        if value is not None:
            state[name] = value
        folder = odyssey_snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError, match=says):
            converted(folder, tmp_path / "model")


@pytest.mark.parametrize("length", [400, 4801, 160_000])
def test_openvino_computes_the_same(paths: dict[str, Path], length: int) -> None:
    pytest.importorskip("openvino")
    for name, config in CONFIGS.items():
        [[ours], [theirs]] = (
            Engine(paths[name], engine=engine).run([speech(length)], frames=True)
            for engine in ("onnxruntime", "openvino")
        )
        assert ours.frames is not None
        assert theirs.frames is not None
        np.testing.assert_allclose(theirs.frames, ours.frames, atol=1e-4 * np.abs(ours.frames).max())
        for readout, logits in ours.logits.items():
            size = max(1, np.abs(logits).max())
            np.testing.assert_allclose(theirs.logits[readout], logits, atol=2e-5 * size, err_msg=str(config))


@parity
class TestParity:
    """The authors' model and ours, on the same random weights."""

    def check(self, tmp_path: Path, config: dict[str, Any], lengths: tuple[int, ...], *, seed: int = 0) -> None:
        state = random_state(config, seed=seed)
        model = odyssey_model.build(config, encoder(config), state)
        path = converted(odyssey_snapshots.write(tmp_path / "snapshot", config, state=state), tmp_path / "model")
        session = load(path)
        waveforms = [speech(length, index) for index, length in enumerate(lengths)]
        together = run(session, *waveforms[:3])
        for index, waveform in enumerate(waveforms):
            frames, numbers = odyssey_model.infer(model, config, waveform)
            self.compare(run(session, waveform), 0, frames, numbers)
            if index < 3:
                self.compare(together, index, frames, numbers)

    def compare(self, outputs: Outputs, row: int, frames: Floats, numbers: Floats) -> None:
        assert outputs["frame_count"][row] == len(frames)
        assert np.abs(outputs["frames"][row, : len(frames)] - frames).max() < 1e-4 * np.abs(frames).max()
        assert np.abs(numbers_of(outputs, row) - numbers).max() < 1e-5 * max(1, np.abs(numbers).max())

    @pytest.mark.parametrize("config", list(CONFIGS.values()), ids=list(CONFIGS))
    def test_every_kind(self, tmp_path: Path, config: dict[str, Any]) -> None:
        self.check(tmp_path, config, (400, 719, 4801, 20_003), seed=3)

    def test_thirty_seconds(self, tmp_path: Path) -> None:
        self.check(tmp_path, tiny(EIGHT), (480_000,))

    @pytest.mark.slow
    def test_full_size(self, tmp_path: Path) -> None:
        self.check(tmp_path, configure(), (400, 16_001, 160_000))
