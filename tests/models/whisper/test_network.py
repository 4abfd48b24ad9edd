import shutil
from collections.abc import Iterator
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
from emovox.models.runtime.engine import Engine
from emovox.models.whisper.snapshot import HEADLESS, read_snapshot
from support import whisper_model
from support import whisper_snapshots as snapshots
from support.inference import Floats, Outputs, load, run, softmax, speech
from support.transformers_model import parity
from support.wav2vec2_snapshots import DIMENSIONS
from support.whisper_snapshots import BASE, LARGE, configure, random_state, tiny

SUM = {"use_weighted_layer_sum": True}
CONFIGS: dict[str, dict[str, Any]] = {
    "80 bands": tiny(),
    "128 bands": tiny({"num_mel_bins": 128}),
    "few bands": tiny({"num_mel_bins": 7}),
    "weighted": tiny(SUM),
    "one layer, weighted": tiny(SUM | {"encoder_layers": 1}),
    "one head": tiny({"encoder_attention_heads": 1}),
    "three seconds": tiny({"max_source_positions": 150}),
    "a projector of one": tiny({"classifier_proj_size": 1}),
    "values": tiny({"problem_type": "regression"}, DIMENSIONS),
    "classes that don't exclude each other": tiny(
        {"problem_type": "multi_label_classification"}, ("laughter", "sad", "breath")
    ),
    "embeddings": tiny(architecture=HEADLESS),
    "embeddings, though told to sum": tiny(SUM, architecture=HEADLESS),
}


def metadata_of(session: Any) -> Metadata:
    return Metadata.from_properties(session.get_modelmeta().custom_metadata_map)


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


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model of each kind of setting."""
    directory = tmp_path_factory.mktemp("padding")
    sessions: dict[str, Any] = {}
    for seed, (name, config) in enumerate(CONFIGS.items()):
        source = snapshots.write(directory / name, config, state=random_state(config, seed=seed))
        sessions[name] = load(converted(source, directory / f"{name} converted"))
    return sessions


def test_face_and_metadata(tmp_path: Path) -> None:
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    onnx.checker.check_model(str(path), full_check=True)
    session = load(path)
    outputs = [(value.name, value.shape) for value in session.get_outputs()]
    assert outputs == [
        ("frames", ["batch", "frames", 32]),
        ("frame_count", ["batch"]),
        ("embedding", ["batch", 32]),
        ("emotion.logits", ["batch", 4]),
        ("emotion.frame_logits", ["batch", "frames", 4]),
    ]
    metadata = metadata_of(session)
    assert metadata.classes == ("angry", "happy", "neutral", "sad")
    assert (metadata.hop, metadata.first_centre, metadata.minimum_samples) == (320, 0, 160)


def test_the_means_of_the_frames_are_the_whole(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        result = run(session, speech(40_000), speech(5000, 1), speech(160, 2))
        assert result["frame_count"].tolist() == [125, 16, 1]
        pairs = [("frames", "embedding")]
        pairs += [(f"{item.name}.frame_logits", f"{item.name}.logits") for item in metadata_of(session).readouts]
        for row, count in enumerate(result["frame_count"]):
            for parts, whole in pairs:
                values = result[parts][row]
                np.testing.assert_allclose(values[:count].mean(axis=0), result[whole][row], rtol=1e-5, atol=1e-5)
                assert not values[count:].any()


def test_a_row_too_short_for_a_frame_is_empty(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        for waveforms in ([speech(6000), speech(3), speech(0)], [speech(159)]):
            result = run(session, *waveforms)
            assert result["frame_count"][-1] == 0
            assert not result["frames"][-1].any()
            assert all(np.isfinite(value).all() for value in result.values())


def test_its_own_head_can_be_read(tmp_path: Path) -> None:
    """Its logits are those of the frames, and of what the padding has more."""
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    head = read_own_head(path)
    assert head is not None
    columns = [snapshots.NAMED.index(name) for name in head.classes]
    result = run(load(path), speech(50_000))
    plain = result["frames"][0] @ head.weights.T + head.bias
    excess = result["emotion.frame_logits"][0][:, columns] - plain
    for first in range(0, 150, 50):  # the same within a piece
        assert np.ptp(excess[first : first + 50], axis=0).max() < 1e-4
    assert np.abs(excess[:50] - excess[-1]).max() > 0.01


@pytest.mark.parametrize("name", list(CONFIGS))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(160, 40_000), min_size=1, max_size=4),
    beyond=st.integers(0, 20_000),
    garbage=st.sampled_from([0.0, 1.0, -1e4, 1e30, np.nan, np.inf]),
)
@example(lengths=[160, 16_000, 16_001], beyond=0, garbage=0.0)
@example(lengths=[3000, 32_159], beyond=700, garbage=np.nan)
def test_batched_equals_single(
    sessions: dict[str, Any], name: str, lengths: list[int], beyond: int, garbage: float
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
        assert batch["frame_count"][index] == count == 1 + (len(waveform) - 160) // 320
        expected = single["frames"][0]
        frames = batch["frames"][index]
        np.testing.assert_allclose(frames[:count], expected, atol=1e-4 * np.abs(expected).max())
        assert not frames[count:].any()
        for readout in metadata_of(session).readouts:
            name = f"{readout.name}.logits"
            np.testing.assert_allclose(batch[name][index], single[name][0], atol=1e-5)


def test_the_names_of_the_class_that_transcribes(tmp_path: Path) -> None:
    config = tiny(architecture=HEADLESS)
    state = {f"model.{name}": value for name, value in random_state(config).items()}
    state["model.decoder.layer_norm.bias"] = np.zeros(32, np.float32)
    session = load(converted(snapshots.write(tmp_path / "snapshot", config, state=state), tmp_path / "model"))
    plain = load(converted(snapshots.write(tmp_path / "plain", config), tmp_path / "plain model"))
    np.testing.assert_array_equal(run(session, speech(4000))["frames"], run(plain, speech(4000))["frames"])


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    state = random_state(tiny(SUM))
    del state["encoder.layers.0.self_attn.q_proj.bias"]
    state["encoder.embed_positions.weight"] = np.zeros((1500, 32), np.float32)
    folder = snapshots.write(tmp_path / "snapshot", tiny(SUM), state=state)
    with pytest.raises(ModelError) as caught:
        converted(folder, tmp_path / "model")
    assert str(caught.value) == (
        "model.safetensors doesn't fit its config: embed_positions.weight has the shape (1500, 32), not (50, 32); "
        "layers.0.self_attn.q_proj.bias is missing"
    )


@pytest.mark.parametrize("length", [160, 4801, 50_000])
def test_openvino_computes_it_as_onnxruntime_does(tmp_path: Path, length: int) -> None:
    pytest.importorskip("openvino")
    path = converted(snapshots.write(tmp_path / "snapshot", tiny(SUM)), tmp_path / "model")
    [[ours], [theirs]] = (
        Engine(path, engine=engine).run([speech(length)], frames=True) for engine in ("onnxruntime", "openvino")
    )
    assert ours.frames is not None
    assert theirs.frames is not None
    np.testing.assert_allclose(theirs.frames, ours.frames, atol=1e-4 * np.abs(ours.frames).max())
    np.testing.assert_allclose(theirs.logits["emotion"], ours.logits["emotion"], atol=2e-5)


@parity
class TestParity:
    """Transformers' own class and ours, on the same random weights."""

    def check(
        self,
        tmp_path: Path,
        config: dict[str, Any],
        waveforms: list[Floats],
        *,
        seed: int = 0,
        shard: str = "50GB",
    ) -> None:
        model = whisper_model.build(config, seed=seed)
        folder = whisper_model.save(model, tmp_path / "snapshot", shard=shard)
        expected = [whisper_model.infer(model, waveform) for waveform in waveforms]
        del model  # gigabytes, before ours is loaded
        session = load(converted(folder, tmp_path / "model"))
        together = run(session, *waveforms[:3])
        for index, (waveform, (frames, logits)) in enumerate(zip(waveforms, expected, strict=True)):
            self.compare(session, run(session, waveform), 0, frames, logits)
            if index < 3:
                self.compare(session, together, index, frames, logits)

    def compare(self, session: Any, outputs: Outputs, row: int, frames: Floats, logits: Floats) -> None:
        assert outputs["frame_count"][row] == len(frames)
        size = np.abs(frames).max()
        assert np.abs(outputs["frames"][row, : len(frames)] - frames).max() < 1e-4 * size
        assert np.abs(outputs["embedding"][row] - frames.mean(axis=0)).max() < 1e-4 * size
        for readout in metadata_of(session).readouts:
            ours = outputs[f"{readout.name}.logits"][row]
            if readout.activation == "softmax":
                np.testing.assert_allclose(softmax(ours), softmax(logits), atol=1e-5)
            np.testing.assert_allclose(ours, logits, atol=1e-5 * max(1, np.abs(logits).max()))

    @pytest.mark.parametrize("name", list(CONFIGS))
    def test_every_setting(self, tmp_path: Path, name: str) -> None:
        waveforms = [
            speech(length, index) for index, length in enumerate((160, 719, 4801, 15_999, 16_000, 36_003))
        ]
        self.check(tmp_path, CONFIGS[name], waveforms)

    def test_several_files(self, tmp_path: Path) -> None:
        self.check(tmp_path, tiny(SUM), [speech(9000)], shard="40kB")
        assert len(read_snapshot(tmp_path / "snapshot").weight_files) > 2

    @pytest.mark.parametrize("bands", [80, 128])
    def test_half_a_minute_and_real_speech(self, tmp_path: Path, bands: int, speech: Floats) -> None:
        """Most of a short recording's positions are padding, which the class's mean is over, too."""
        config = tiny({"num_mel_bins": bands, "max_source_positions": 1500})
        self.check(tmp_path, config, [speech, speech[:8000], np.tile(speech, 20)[:480_000]])

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        waveforms = [(speech(length) * gain + offset).astype(np.float32) for length in (480, 16_001, 40_000)]
        self.check(tmp_path, tiny(), waveforms)

    @pytest.mark.slow
    @pytest.mark.parametrize("config", [configure(BASE | SUM), configure(LARGE)], ids=["base", "large"])
    def test_full_size(self, tmp_path: Path, config: dict[str, Any]) -> None:
        self.check(tmp_path, config, [speech(48_000)])


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
