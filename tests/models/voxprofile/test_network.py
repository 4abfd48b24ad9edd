import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from emovox.errors import ModelError
from emovox.models.converted.conversion import convert
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Engine
from emovox.models.voxprofile.snapshot import LABELS, VALUES, read_snapshot
from support import voxprofile_model
from support import voxprofile_snapshots as snapshots
from support.inference import Floats, load, run, softmax, speech
from support.transformers_model import parity
from support.voxprofile_snapshots import configure, random_state, tiny

WHISPER = {"pretrain_model": "whisper_base"}
CONFIGS: dict[str, dict[str, Any]] = {
    "whisper large, adapted": tiny(),
    "whisper, 80 bands, adapted": tiny(**WHISPER),
    "whisper, finetuned": tiny(**WHISPER, finetune_method="finetune"),
    "whisper, values": tiny(**WHISPER, finetune_method="finetune", predict_gender=False),
    "whisper, classes of their own": tiny(**WHISPER, output_class_num=2, id2label={"0": "no", "1": "Happy"}),
    "wavlm large": tiny(pretrain_model="wavlm_large", finetune_method="finetune"),
    "wavlm large, adapted": tiny(pretrain_model="wavlm_large"),
    "wavlm large, without its input": tiny(pretrain_model="wavlm_large", use_conv_output=False),
    "wavlm, adapted": tiny(pretrain_model="wavlm"),
}


def metadata_of(session: Any) -> Metadata:
    return Metadata.from_properties(session.get_modelmeta().custom_metadata_map)


def converted(folder: Path, target: Path) -> Path:
    return convert(
        read_snapshot(folder, snapshots.MEANINGS),
        target,
        name="tiny",
        revision="1",
        licence="MIT",
        source="random weights",
        source_sha256="0" * 64,
    )


def test_face_and_metadata(tmp_path: Path) -> None:
    path = converted(snapshots.write(tmp_path / "snapshot"), tmp_path / "model")
    onnx.checker.check_model(str(path), full_check=True)
    session = load(path)
    outputs = [(value.name, value.shape) for value in session.get_outputs()]
    assert outputs == [
        ("frames", ["batch", "frames", 24]),
        ("frame_count", ["batch"]),
        ("embedding", ["batch", 24]),
        ("emotion.logits", ["batch", 9]),
        ("dimensions.logits", ["batch", 3]),
    ]
    metadata = metadata_of(session)
    emotion, values = metadata.readouts
    assert (emotion.kind, emotion.labels, emotion.emotions) == ("pooled", LABELS, snapshots.MEANINGS)
    assert (values.kind, values.labels, values.range) == ("pooled", VALUES, (0, 1))
    assert metadata.emotions is emotion
    assert (metadata.hop, metadata.minimum_samples, metadata.embedding_size) == (320, 160, 24)


def test_a_model_of_values_gives_no_classes_that_it_never_learnt(tmp_path: Path) -> None:
    for name in ("whisper, values", "wavlm large"):
        state = random_state(CONFIGS[name], emotions=name.startswith("whisper"))
        folder = snapshots.write(tmp_path / name, CONFIGS[name], state=state)
        assert [readout.name for readout in read_snapshot(folder).readouts] == ["dimensions"]


@pytest.mark.parametrize("name", ["whisper large, adapted", "wavlm large, adapted"])
@pytest.mark.parametrize("garbage", [0.0, 1e30, np.nan])
def test_batched_equals_single(tmp_path: Path, name: str, garbage: float) -> None:
    folder = snapshots.write(tmp_path / "snapshot", CONFIGS[name])
    session = load(converted(folder, tmp_path / "model"))
    waveforms = [speech(length, seed) for seed, length in enumerate((9000, 300_001, 400))]
    rows = np.full((3, 305_000), garbage, np.float32)
    for row, waveform in zip(rows, waveforms, strict=True):
        row[: len(waveform)] = waveform
    batch = run(session, *waveforms, rows=rows)
    for index, waveform in enumerate(waveforms):
        single = run(session, waveform)
        count = single["frame_count"][0]
        assert batch["frame_count"][index] == count
        expected, frames = single["frames"][0], batch["frames"][index]
        np.testing.assert_allclose(frames[:count], expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(batch["embedding"][index], expected.mean(axis=0), atol=1e-5, rtol=1e-5)
        assert not frames[count:].any()
        for output in ("emotion.logits", "dimensions.logits"):
            np.testing.assert_allclose(batch[output][index], single[output][0], atol=1e-5)


def test_its_readouts_can_be_computed_of_any_mean(tmp_path: Path) -> None:
    path = converted(snapshots.write(tmp_path / "snapshot", CONFIGS["whisper, finetuned"]), tmp_path / "model")
    engine = Engine(path, engine="onnxruntime")
    [output] = engine.run([speech(9000)])
    plain = run(load(path), speech(9000))
    for readout in engine.metadata.readouts:
        logits = engine.logits(readout, output)
        np.testing.assert_allclose(logits, plain[f"{readout.name}.logits"][0], atol=1e-6)
    values = engine.functions["dimensions"](np.zeros((2, 24), np.float32))
    assert ((values > 0) & (values < 1)).all()


def test_what_is_missing_is_listed(tmp_path: Path) -> None:
    state = random_state(tiny())
    del state["model_seq.3.bias"], state["valence_layer.2.weight"], state["embed_positions"]
    folder = snapshots.write(tmp_path / "snapshot", state=state)
    with pytest.raises(ModelError) as caught:
        converted(folder, tmp_path / "model")
    assert str(caught.value) == (
        "model.safetensors doesn't fit its config: embed_positions.weight is missing; model_seq.3.bias is "
        "missing; valence_layer.2.weight is missing"
    )


def test_another_encoder_s_weights_are_refused(tmp_path: Path) -> None:
    folder = snapshots.write(tmp_path, tiny(), state=random_state(tiny(pretrain_model="wavlm_large")))
    with pytest.raises(ModelError, match=r"model\.safetensors: encoder_layers"):
        converted(folder, tmp_path / "model")
    folder = snapshots.write(tmp_path, tiny(pretrain_model="wavlm_large"), state=random_state(tiny()))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        converted(folder, tmp_path / "model")


@parity
class TestParity:
    """The authors' classes, written again, and ours, on the same random weights."""

    def check(self, tmp_path: Path, config: dict[str, Any], lengths: tuple[int, ...], *, seed: int = 0) -> None:
        state = random_state(config, seed=seed)
        folder = snapshots.write(tmp_path / "snapshot", config, state=state)
        model = voxprofile_model.build(config, state)
        state.clear()
        waveforms = [speech(length, index) for index, length in enumerate(lengths)]
        expected = [voxprofile_model.infer(model, waveform) for waveform in waveforms]
        del model  # gigabytes, before ours is loaded
        session = load(converted(folder, tmp_path / "model"))
        names = [readout.name for readout in metadata_of(session).readouts]
        assert names == (["dimensions"] if "predict_gender" in config else ["emotion", "dimensions"])
        for waveform, (frames, scores, values) in zip(waveforms, expected, strict=True):
            outputs = run(session, waveform)
            assert outputs["frame_count"][0] == len(frames)
            size = np.abs(frames).max()
            assert np.abs(outputs["frames"][0] - frames).max() < 1e-4 * size
            assert np.abs(outputs["embedding"][0] - frames.mean(axis=0)).max() < 1e-4 * size
            np.testing.assert_allclose(outputs["dimensions.logits"][0], values, atol=1e-5)
            if "emotion" in names:
                np.testing.assert_allclose(softmax(outputs["emotion.logits"][0]), _known(scores), atol=1e-5)

    @pytest.mark.parametrize("name", list(CONFIGS))
    def test_every_setting(self, tmp_path: Path, name: str) -> None:
        self.check(tmp_path, CONFIGS[name], (400, 719, 4801, 48_003, 240_000))

    @pytest.mark.parametrize("name", ["wavlm large", "wavlm, adapted"])
    def test_half_a_minute_of_wavlm(self, tmp_path: Path, name: str) -> None:
        self.check(tmp_path, CONFIGS[name], (480_000,))

    @pytest.mark.slow
    @pytest.mark.parametrize("model", ["whisper_large", "wavlm_large"])
    def test_full_size(self, tmp_path: Path, model: str) -> None:
        self.check(tmp_path, configure(pretrain_model=model), (48_000,))


def _known(scores: Floats | None) -> Floats:
    assert scores is not None
    return scores


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
