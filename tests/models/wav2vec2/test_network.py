import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.converted.conversion import convert
from emovox.models.metadata import Metadata
from emovox.models.onnx.speech import UNTRAINED
from emovox.models.own_head import read_own_head
from emovox.models.wav2vec2.snapshot import read_snapshot
from support import torch_zip
from support import wav2vec2_snapshots as snapshots
from support.inference import Floats, load, run, softmax, speech
from support.torch_zip import Call, Checkpoint, Name
from support.transformers_model import build, infer, parity, save
from support.wav2vec2_snapshots import BASE, LARGE, NAMED, configure, random_state, stored, tiny

HUBERT = {"model_type": "hubert"}
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
    for seed, (name, changes) in enumerate(SETTINGS.items()):
        config = tiny(changes)
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
            ("frame_logits", "tensor(float)", ["batch", "frames", 9]),
            ("frame_count", "tensor(int64)", ["batch"]),
            ("embedding", "tensor(float)", ["batch", 32]),
            ("logits", "tensor(float)", ["batch", 9]),
        ]
        metadata = Metadata.from_properties(session.get_modelmeta().custom_metadata_map)
        assert metadata.classes == ("angry", "happy", "neutral", "sad")  # in the nine's order
        assert (metadata.hop, metadata.first_centre, metadata.minimum_samples) == (320, 0.0125, 400)
        assert (metadata.embedding_size, metadata.precision) == (32, "fp32")

    def test_classes_that_it_wasnt_taught_win_nothing(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            logits = run(session, speech(5000))["logits"][0]
            untaught = [NAMES.index(name) for name in NAMES if name not in NAMED]
            assert (logits[untaught] == UNTRAINED).all()
            assert (np.abs(np.delete(logits, untaught)) < 100).all()

    def test_the_means_of_the_frames_are_the_whole(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(9000), speech(5000, 1))
            for row, count in enumerate(result["frame_count"]):
                frames, logits = result["frames"][row], result["frame_logits"][row]
                np.testing.assert_allclose(frames[:count].mean(axis=0), result["embedding"][row], atol=1e-5)
                np.testing.assert_allclose(
                    logits[:count].mean(axis=0), result["logits"][row], rtol=1e-5, atol=1e-5
                )
                assert not frames[count:].any()
                assert not logits[count:].any()

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
        columns = [NAMES.index(name) for name in head.classes]
        expected = result["frames"][0] @ head.weights.T + head.bias
        np.testing.assert_allclose(result["frame_logits"][0][:, columns], expected, atol=1e-4)


class TestPadding:
    """A row's outputs depend neither on the other rows nor on what its padding holds."""

    @pytest.mark.parametrize("name", list(SETTINGS))
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
            scores = softmax(batch["logits"][index])
            np.testing.assert_allclose(scores, softmax(single["logits"][0]), atol=1e-5)


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

    def test_a_head_that_is_not_linear_is_refused(self, tmp_path: Path) -> None:
        state = random_state(tiny())
        state["classifier.dense.weight"] = np.zeros((32, 32), np.float32)
        state["classifier.output.weight"] = np.zeros((4, 32), np.float32)
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError, match="tanh between them"):
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
            [(frames, scores)] = infer(model, waveform, normalize=normalize)
            rows = [{name: value[0] for name, value in singles[index].items()}]
            rows += [{name: value[index] for name, value in together.items()}] if index < 3 else []
            for row in rows:
                self.compare(row, frames, scores)
        if config.get("feat_extract_norm") == "layer":  # where transformers masks a batch's padding
            for index, (frames, scores) in enumerate(infer(model, *waveforms[:3], normalize=normalize, mask=True)):
                self.compare({name: value[index] for name, value in together.items()}, frames, scores)

    def compare(self, row: dict[str, Any], frames: Floats, scores: Floats) -> None:
        assert row["frame_count"] == len(frames)
        error = np.abs(row["frames"][: len(frames)] - frames).max() / np.abs(frames).max()
        assert error < 1e-4
        columns = [NAMES.index(name) for name in NAMED]
        assert np.abs(softmax(row["logits"])[columns] - scores).max() < 1e-5

    @pytest.mark.parametrize("changes", list(SETTINGS.values()), ids=list(SETTINGS))
    def test_every_setting(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        self.check(tmp_path, tiny(changes), (400, 719, 4801, 20_003))

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("safe", [True, False])
    def test_every_form(self, tmp_path: Path, safe: bool, normalize: bool) -> None:
        self.check(tmp_path, tiny(SUM), (400, 1039, 1040, 30_001), seed=1, safe=safe, normalize=normalize)

    @pytest.mark.parametrize("changes", [{}, HUBERT | LAYER | STABLE | SUM])
    def test_thirty_seconds(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        self.check(tmp_path, tiny(changes), (480_000,))

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        """Loud, hardly there, silent, and far beside zero, where rounding the mean would be heard."""

        def prepare(waveform: Floats) -> Floats:
            return (waveform * gain + offset).astype(np.float32)

        self.check(tmp_path, tiny(LAYER), (400, 16_001, 160_000), prepare=prepare)

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [BASE, LARGE], ids=["base", "large"])
    def test_full_size(self, tmp_path: Path, size: dict[str, Any]) -> None:
        self.check(tmp_path, configure(size), (400, 16_001, 48_000, 160_000))


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
