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
from emovox.models.speechbrain.snapshot import read_snapshot
from emovox.models.wav2vec2.snapshot import HEADLESS
from support import speechbrain_model, torch_zip
from support import speechbrain_snapshots as snapshots
from support.inference import Floats, Outputs, load, run, softmax, speech
from support.speechbrain_snapshots import LABELS, tiny
from support.transformers_model import parity
from support.wav2vec2_snapshots import LARGE, MEANINGS, configure

Change = tuple[str, str]
BIAS: Change = ("bias: False", "bias: True")
PLAIN: Change = ("output_norm: True", "output_norm: False")
STABLE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True, "num_attention_heads": 4}
CONFIGS: dict[str, tuple[dict[str, Any], tuple[Change, ...], bool]] = {
    "as published": (tiny(), (), False),
    "without the norm": (tiny(), (PLAIN,), False),
    "with a bias": (tiny(), (BIAS,), False),
    "another encoder, by its config": (tiny(STABLE), (("facebook/wav2vec2-base", "my/encoder"),), True),
    "HuBERT": (tiny({"model_type": "hubert"}), (), True),
}


def converted(folder: Path, target: Path) -> Path:
    return convert(
        read_snapshot(folder, MEANINGS),
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
    for name, (config, changes, given_) in CONFIGS.items():
        source = snapshots.write(directory / name, config, *changes, given=given_)
        sessions[name] = load(converted(source, directory / f"{name} converted"))
    return sessions


def test_face_and_metadata(tmp_path: Path) -> None:
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    onnx.checker.check_model(str(path), full_check=True)
    session = load(path)
    outputs = [(value.name, value.shape) for value in session.get_outputs()]
    assert outputs == [
        ("frames", ["batch", "frames", 48]),
        ("frame_count", ["batch"]),
        ("embedding", ["batch", 48]),
        ("emotion.logits", ["batch", 4]),
        ("emotion.frame_logits", ["batch", "frames", 4]),
    ]
    metadata = Metadata.from_properties(session.get_modelmeta().custom_metadata_map)
    assert metadata.classes == ("angry", "happy", "neutral", "sad")
    assert (metadata.hop, metadata.minimum_samples) == (320, 400)
    head = read_own_head(path)
    assert head is not None
    assert head.classes == LABELS
    assert not head.bias.any()


def test_the_means_of_the_frames_are_the_whole(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        result = run(session, speech(40_000), speech(5000, 1), speech(400, 2))
        for row, count in enumerate(result["frame_count"]):
            for parts, whole in (("frames", "embedding"), ("emotion.frame_logits", "emotion.logits")):
                values = result[parts][row]
                np.testing.assert_allclose(values[:count].mean(axis=0), result[whole][row], rtol=1e-5, atol=1e-5)
                assert not values[count:].any()


def test_a_row_too_short_for_a_frame_is_empty(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        result = run(session, speech(6000), speech(3), speech(0))
        assert result["frame_count"].tolist() == [18, 0, 0]
        assert not result["frames"][1:].any()
        assert all(np.isfinite(value).all() for value in result.values())


@pytest.mark.parametrize("name", list(CONFIGS))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(400, 40_000), min_size=1, max_size=4),
    beyond=st.integers(0, 20_000),
    garbage=st.sampled_from([0.0, 1.0, -1e4, 1e30, np.nan, np.inf]),
)
@example(lengths=[400, 720, 719], beyond=0, garbage=0.0)
@example(lengths=[3000, 32_159], beyond=700, garbage=np.nan)
def test_batched_equals_single(
    sessions: dict[str, Any], name: str, lengths: list[int], beyond: int, garbage: float
) -> None:
    """The norm over a whole row is what padding would leak into."""
    session = sessions[name]
    waveforms = [speech(length, seed) for seed, length in enumerate(lengths)]
    rows = np.full((len(lengths), max(lengths) + beyond), garbage, np.float32)
    for row, waveform in zip(rows, waveforms, strict=True):
        row[: len(waveform)] = waveform
    batch = run(session, *waveforms, rows=rows)
    for index, waveform in enumerate(waveforms):
        single = run(session, waveform)
        count = single["frame_count"][0]
        assert batch["frame_count"][index] == count == 1 + (len(waveform) - 400) // 320
        expected = single["frames"][0]
        frames = batch["frames"][index]
        np.testing.assert_allclose(frames[:count], expected, atol=1e-4 * np.abs(expected).max())
        assert not frames[count:].any()
        np.testing.assert_allclose(
            softmax(batch["emotion.logits"][index]), softmax(single["emotion.logits"][0]), atol=1e-5
        )


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    encoder, head = snapshots.random_states(tiny(), outputs=3)
    del encoder["model.encoder.layer_norm.bias"]
    folder = snapshots.describe(tmp_path, tiny())
    torch_zip.save(folder / "wav2vec2.ckpt", encoder)
    torch_zip.save(folder / "model.ckpt", head)
    with pytest.raises(ModelError) as caught:
        converted(folder, tmp_path / "model")
    assert str(caught.value) == (
        "wav2vec2.ckpt doesn't fit its config: encoder.layer_norm.bias is missing; "
        "0.w.weight has the shape (3, 48), not (4, 48)"
    )


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    encoder, head = snapshots.random_states(tiny())
    head["0.w.weight"][1, 2] = np.inf
    folder = snapshots.describe(tmp_path / "snapshot", tiny())
    torch_zip.save(folder / "wav2vec2.ckpt", encoder)
    torch_zip.save(folder / "model.ckpt", head)
    with pytest.raises(ModelError, match=r"0\.w\.weight has values that aren't finite"):
        converted(folder, tmp_path / "model")


@pytest.mark.parametrize("name", ["wav2vec2.ckpt", "model.ckpt"])
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, name: str) -> None:
    folder = snapshots.write(tmp_path)
    checkpoint = torch_zip.Checkpoint()
    call = torch_zip.Call(torch_zip.Name("os", "system"), (f"touch {tmp_path}/ran",))
    checkpoint.write(folder / name, call)
    with pytest.raises(ModelError, match=rf"{name} is refused: it holds os\.system"):
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
    """SpeechBrain's computation and ours, on the same random weights."""

    def check(
        self,
        tmp_path: Path,
        config: dict[str, Any],
        waveforms: list[Floats],
        *changes: Change,
        given: bool = False,
    ) -> None:
        model = speechbrain_model.build(config, bias=BIAS in changes)
        folder = speechbrain_model.save(model, tmp_path / "snapshot", config, *changes, given=given)
        norm = PLAIN not in changes
        expected = [speechbrain_model.infer(model, waveform, output_norm=norm) for waveform in waveforms]
        del model
        session = load(converted(folder, tmp_path / "model"))
        together = run(session, *waveforms[:3])
        for index, (waveform, (frames, scores)) in enumerate(zip(waveforms, expected, strict=True)):
            self.compare(run(session, waveform), 0, frames, scores)
            if index < 3:
                self.compare(together, index, frames, scores)

    def compare(self, outputs: Outputs, row: int, frames: Floats, scores: Floats) -> None:
        assert outputs["frame_count"][row] == len(frames)
        size = np.abs(frames).max()
        assert np.abs(outputs["frames"][row, : len(frames)] - frames).max() < 1e-4 * size
        assert np.abs(outputs["embedding"][row] - frames.mean(axis=0)).max() < 1e-4 * size
        np.testing.assert_allclose(softmax(outputs["emotion.logits"][row]), scores, atol=1e-5)

    @pytest.mark.parametrize("name", list(CONFIGS))
    def test_every_setting(self, tmp_path: Path, name: str) -> None:
        config, changes, given_ = CONFIGS[name]
        waveforms = [speech(length, index) for index, length in enumerate((400, 719, 4801, 16_000, 36_003))]
        self.check(tmp_path, config, waveforms, *changes, given=given_)

    def test_half_a_minute_and_real_speech(self, tmp_path: Path, speech: Floats) -> None:
        self.check(tmp_path, tiny(), [speech, speech[:8000], np.tile(speech, 20)[:480_000]])

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        waveforms = [(speech(length) * gain + offset).astype(np.float32) for length in (480, 16_001, 40_000)]
        self.check(tmp_path, tiny(), waveforms)

    @pytest.mark.slow
    def test_full_size(self, tmp_path: Path, speech: Floats) -> None:
        base = configure({"hidden_size": 768}, architecture=HEADLESS)
        self.check(tmp_path, base, [speech, speech[:8000]])

    @pytest.mark.slow
    def test_full_size_of_another_encoder(self, tmp_path: Path, speech: Floats) -> None:
        self.check(tmp_path, configure(LARGE, architecture=HEADLESS), [speech[:8000]], given=True)


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
