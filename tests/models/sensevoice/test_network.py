import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emovox.baselines.shift import movable
from emovox.emotions import NAMES
from emovox.errors import BaselineError, ModelError
from emovox.models.converted.conversion import convert
from emovox.models.metadata import Metadata
from emovox.models.own_head import read_own_head
from emovox.models.runtime.engine import Engine
from emovox.models.sensevoice.snapshot import EMOTIONS, EVENTS, LEAST_VOCABULARY, FrontendConfig, read_snapshot
from support import sensevoice_model, torch_zip
from support import sensevoice_snapshots as snapshots
from support.funasr_model import parity
from support.inference import Floats, Outputs, load, run, softmax, speech
from support.sensevoice_snapshots import configure, tiny

CONFIGS: dict[str, dict[str, Any]] = {
    "tiny": tiny(),
    "one layer": tiny({"num_blocks": 1, "tp_blocks": 0}),
    "as wide as its input": tiny({"output_size": 48}, {"n_mels": 16, "lfr_m": 3, "lfr_n": 3}),
    "one head": tiny({"attention_heads": 1}),
    "an even memory": tiny({"kernel_size": 4}),
    "a memory of the past": tiny({"kernel_size": 7, "sanm_shfit": 2}),
    "a memory of one": tiny({"kernel_size": 1}),
    "each spectrum a frame": tiny({}, {"lfr_m": 1, "lfr_n": 1}),
    "frames without overlap": tiny({}, {"lfr_m": 6, "lfr_n": 6}),
    "frames that overlap much": tiny({}, {"lfr_m": 8, "lfr_n": 3}),
    "few bands": tiny({}, {"n_mels": 23, "lfr_m": 4, "lfr_n": 3}),
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


def grid_of(config: dict[str, Any]) -> int:
    return FrontendConfig.model_validate(config["frontend_conf"]).grid.hop


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model of each kind of setting."""
    directory = tmp_path_factory.mktemp("padding")
    sessions: dict[str, Any] = {}
    for seed, (name, config) in enumerate(CONFIGS.items()):
        source = snapshots.write(directory / name, config, seed=seed)
        sessions[name] = load(converted(source, directory / f"{name} converted"))
        shutil.rmtree(source)
    return sessions


def test_face_and_metadata(tmp_path: Path) -> None:
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    onnx.checker.check_model(str(path), full_check=True)
    session = load(path)
    outputs = [(value.name, value.shape) for value in session.get_outputs()]
    assert outputs == [
        ("frames", ["batch", "frames", 16]),
        ("frame_count", ["batch"]),
        ("embedding", ["batch", 16]),
        ("emotion.logits", ["batch", 9]),
        ("emotion.frame_logits", ["batch", "frames", 9]),
        ("event.logits", ["batch", 12]),
        ("event.frame_logits", ["batch", "frames", 12]),
    ]
    metadata = metadata_of(session)
    assert metadata.classes == NAMES
    assert (metadata.hop, metadata.first_centre, metadata.minimum_samples) == (960, 0.0125, 400)
    assert read_own_head(path) is None
    assert Engine(path).functions == {}
    with pytest.raises(BaselineError, match="aren't linear in its embeddings"):
        movable(metadata)


def test_a_verdict_holds_for_all_frames_of_its_window(sessions: dict[str, Any]) -> None:
    for name, session in sessions.items():
        result = run(session, speech(40_000), speech(5000, 1), speech(400, 2))
        hop = grid_of(CONFIGS[name])
        assert result["frame_count"].tolist() == [1 + (count - 400) // hop for count in (40_000, 5000, 400)]
        for row, count in enumerate(result["frame_count"]):
            mean = result["frames"][row, :count].mean(axis=0)
            np.testing.assert_allclose(mean, result["embedding"][row], rtol=1e-5, atol=1e-5)
            assert not result["frames"][row, count:].any()
            for readout in ("emotion", "event"):
                logits = result[f"{readout}.frame_logits"][row]
                assert (logits[:count] == result[f"{readout}.logits"][row]).all()
                assert not logits[count:].any()
        assert np.ptp(result["emotion.logits"], axis=0).max() > 0.01


def test_a_row_too_short_for_a_frame_is_empty(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        for waveforms in ([speech(6000), speech(3), speech(0)], [speech(399)]):
            result = run(session, *waveforms)
            assert result["frame_count"][-1] == 0
            assert not result["frames"][-1].any()
            assert all(np.isfinite(value).all() for value in result.values())


@pytest.mark.parametrize("name", list(CONFIGS))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(400, 40_000), min_size=1, max_size=4),
    beyond=st.integers(0, 20_000),
    garbage=st.sampled_from([0.0, 1.0, -1e4, 1e30, np.nan, np.inf]),
)
@example(lengths=[400, 1360, 1359], beyond=0, garbage=0.0)
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
        assert batch["frame_count"][index] == count == 1 + (len(waveform) - 400) // grid_of(CONFIGS[name])
        expected = single["frames"][0]
        frames = batch["frames"][index]
        np.testing.assert_allclose(frames[:count], expected, atol=1e-4 * np.abs(expected).max())
        assert not frames[count:].any()
        for readout in ("emotion", "event"):
            theirs = softmax(single[f"{readout}.logits"][0])
            np.testing.assert_allclose(softmax(batch[f"{readout}.logits"][index]), theirs, atol=1e-5)


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    folder = snapshots.describe(tmp_path, tiny())
    state = snapshots.random_state(folder)
    del state["encoder.tp_norm.bias"]
    state["encoder.encoders0.0.self_attn.fsmn_block.weight"] = np.zeros((16, 1, 9), np.float32)
    torch_zip.save(folder / "model.pt", state)
    with pytest.raises(ModelError) as caught:
        converted(folder, tmp_path / "model")
    assert str(caught.value) == (
        "model.pt doesn't fit its config: encoder.tp_norm.bias is missing; "
        "encoder.encoders0.0.self_attn.fsmn_block.weight has the shape (16, 1, 9), not (16, 1, 11)"
    )


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    folder = snapshots.describe(tmp_path / "snapshot", tiny())
    state = snapshots.random_state(folder)
    state["encoder.encoders.0.feed_forward.w_1.bias"][3] = np.nan
    torch_zip.save(folder / "model.pt", state)
    with pytest.raises(ModelError, match=r"encoders\.0\.feed_forward\.w_1\.bias has values that aren't finite"):
        converted(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = snapshots.describe(tmp_path, tiny())
    torch_zip.save(folder / "model.pt", snapshots.random_state(folder, vocabulary=5000))
    with pytest.raises(ModelError, match=r"model\.pt knows 5000 tokens; .* numbers up to 25019"):
        converted(folder, tmp_path / "model")


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    folder = snapshots.describe(tmp_path, tiny())
    checkpoint = torch_zip.Checkpoint()
    state: dict[str, Any] = {
        name: checkpoint.tensor(value) for name, value in snapshots.random_state(folder).items()
    }
    state["embed.weight"] = torch_zip.Call(torch_zip.Name("os", "system"), (f"touch {tmp_path}/ran",))
    checkpoint.write(folder / "model.pt", state)
    with pytest.raises(ModelError, match=r"embed\.weight is made by os\.system, which is refused"):
        converted(folder, tmp_path / "model")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("length", [400, 4801, 50_000])
def test_openvino_computes_it_as_onnxruntime_does(tmp_path: Path, length: int) -> None:
    pytest.importorskip("openvino")
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    [[ours], [theirs]] = (
        Engine(path, engine=engine).run([speech(length)], frames=True) for engine in ("onnxruntime", "openvino")
    )
    assert ours.frames is not None
    assert theirs.frames is not None
    np.testing.assert_allclose(theirs.frames, ours.frames, atol=1e-4 * np.abs(ours.frames).max())
    np.testing.assert_allclose(theirs.logits["emotion"], ours.logits["emotion"], atol=2e-5)


@parity
class TestParity:
    """FunASR's own class and ours, on the same random weights."""

    def check(
        self,
        tmp_path: Path,
        config: dict[str, Any],
        waveforms: list[Floats],
        *,
        seed: int = 0,
        vocabulary: int = LEAST_VOCABULARY,
    ) -> None:
        model = sensevoice_model.build(config, vocabulary=vocabulary, seed=seed)
        folder = sensevoice_model.save(model, tmp_path / "snapshot", config, seed=seed)
        expected = [sensevoice_model.infer(model, folder, config, waveform) for waveform in waveforms]
        del model  # a gigabyte, before ours is loaded
        session = load(converted(folder, tmp_path / "model"))
        together = run(session, *waveforms[:3])
        for index, (waveform, (outputs, logits)) in enumerate(zip(waveforms, expected, strict=True)):
            self.compare(run(session, waveform), 0, outputs, logits)
            if index < 3:
                self.compare(together, index, outputs, logits)

    def compare(self, ours: Outputs, row: int, outputs: Floats, logits: Floats) -> None:
        frames = outputs[4:]
        assert ours["frame_count"][row] == len(frames)
        size = np.abs(frames).max()
        assert np.abs(ours["frames"][row, : len(frames)] - frames).max() < 1e-4 * size
        assert np.abs(ours["embedding"][row] - frames.mean(axis=0)).max() < 1e-4 * size
        for name, query, tokens in (("emotion", 1, EMOTIONS), ("event", 2, EVENTS)):
            theirs = softmax(logits[query, [token.number for token in tokens]])
            np.testing.assert_allclose(softmax(ours[f"{name}.logits"][row]), theirs, atol=1e-5)

    @pytest.mark.parametrize("name", list(CONFIGS))
    def test_every_setting(self, tmp_path: Path, name: str) -> None:
        lengths = (400, 719, 1360, 4801, 15_999, 16_000, 36_003)
        waveforms = [speech(length, index) for index, length in enumerate(lengths)]
        self.check(tmp_path, CONFIGS[name], waveforms)

    def test_half_a_minute_and_real_speech(self, tmp_path: Path, speech: Floats) -> None:
        self.check(tmp_path, tiny(), [speech, speech[:8000], np.tile(speech, 20)[:480_000]])

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        waveforms = [(speech(length) * gain + offset).astype(np.float32) for length in (480, 16_001, 40_000)]
        self.check(tmp_path, tiny(), waveforms)

    @pytest.mark.slow
    def test_full_size(self, tmp_path: Path, speech: Floats) -> None:
        self.check(tmp_path, configure(), [speech, speech[:8000]], vocabulary=snapshots.VOCABULARY)


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
