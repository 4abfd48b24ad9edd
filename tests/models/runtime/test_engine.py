import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.errors import ModelError
from emovox.models.runtime.engine import Engine
from emovox.models.runtime.openvino_session import OpenVinoSession
from emovox.silence import import_onnxruntime
from support import tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("engine") / "tiny.onnx")


@pytest.fixture(scope="module")
def engine(path: Path) -> Engine:
    engine = Engine(path, engine="onnxruntime")
    engine._session.batches = True  # as on a GPU
    return engine


def test_it_knows_its_file(engine: Engine, path: Path) -> None:
    assert engine.metadata == tiny.metadata()
    assert engine.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert engine.device == "cpu"


@given(lengths=st.lists(st.integers(400, 5_000), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_a_batch_gives_each_window_what_it_gets_alone(engine: Engine, lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    windows = [random.standard_normal(length).astype(np.float32) for length in lengths]
    for window, output in zip(windows, engine.run(windows, frame_logits=True, frames=True), strict=True):
        [alone] = engine.run([window], frame_logits=True, frames=True)
        assert output.frame_count == alone.frame_count == 1 + (len(window) - 400) // 320
        for one, other in [
            (output.logits["emotion"], alone.logits["emotion"]), (output.embedding, alone.embedding),
            (output.frames, alone.frames), (output.frame_logits["emotion"], alone.frame_logits["emotion"]),
        ]:  # fmt: skip
            assert one is not None
            assert other is not None
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert output.frames is not None
        assert output.frames.shape == (output.frame_count, 1)
        means = [window[start : start + 400].mean() for start in range(0, len(window) - 399, 320)]
        np.testing.assert_allclose(output.frames[:, 0], means, atol=1e-5)


def test_frames_only_when_asked_for(engine: Engine) -> None:
    [output] = engine.run([np.zeros(800, np.float32)])
    assert output.frames is None
    assert output.frame_logits == {}


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ModelError, match="not an ONNX file"):
        Engine(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="No such file"):
        Engine(tmp_path / "gone.onnx")
    model = onnx.load(str(tiny.write(tmp_path / "bare.onnx")))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    with pytest.raises(ModelError, match="not an Emovox model"):
        Engine(tmp_path / "bare.onnx")


def test_devices(path: Path) -> None:
    assert Engine(path, device="cpu", threads=1).device == "cpu"
    with pytest.raises(ModelError, match="unknown device 'tpu'"):
        Engine(path, device="tpu")  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_onnxruntime(), "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="cuda is not available"):
        Engine(path, device="cuda")


def test_a_model_that_fails_says_so(engine: Engine) -> None:
    with pytest.raises(ModelError, match="tiny failed"):
        engine.run([np.zeros((800, 2), np.float32)[:, 0], np.zeros(1, np.float32)[:0]][1:])


def test_openvino_sees_few_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps something for every length that it has seen."""
    seen = set()
    original = OpenVinoSession.run

    def run(self: OpenVinoSession, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        seen.add(inputs["waveform"].shape)
        return original(self, outputs, inputs)

    monkeypatch.setattr(OpenVinoSession, "run", run)
    engine = Engine(tiny.write(tmp_path / "tiny.onnx"), engine="openvino")
    for size in range(400, 12_000, 333):
        [output] = engine.run([np.ones(size, np.float32)], frames=True)
        assert output.frame_count == 1 + (size - 400) // 320
        assert output.frames is not None
        np.testing.assert_allclose(output.frames, 1, atol=1e-5)
    assert seen == {(1, 4_000), (1, 8_000), (1, 12_000)}
