import os
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
from emovox.models.emotion2vec.network import alibi_slopes
from emovox.models.emotion2vec.snapshot import read_snapshot
from emovox.models.metadata import Metadata
from support import snapshots, torch_zip
from support.funasr_model import build, infer, parity
from support.inference import Floats, load, run, softmax, speech
from support.snapshots import (
    LARGER,
    LARGER_AUDIO,
    SCOPE_MAP,
    TEMPLATE,
    TOKENS,
    configure,
    large,
    random_state,
    tiny,
)
from support.torch_zip import Call, Checkpoint, Name

PER_LAYER = {"learned_alibi_scale_per_layer": True}
# Each changes one setting of the tiny model, or a few that belong together: (name, model_conf, modalities.audio).
SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("template's", {}, {}),
    ("layer_norm_first", {"layer_norm_first": True}, {}),
    ("layer_norm_first without weights", {"layer_norm_first": True, "norm_affine": False}, {}),
    ("norms without weights", {"norm_affine": False}, {}),
    ("a big norm_eps", {"norm_eps": 0.1}, {}),
    ("not normalised", {"normalize": False}, {}),
    ("narrow middle", {"mlp_ratio": 2.6}, {}),
    ("one head", {"num_heads": 1}, {"num_alibi_heads": 1}),
    ("six heads", {"num_heads": 6, "embed_dim": 36}, {"num_alibi_heads": 6}),
    ("fewer fading heads", {"num_heads": 8}, {"num_alibi_heads": 3}),
    ("norm over time", {}, {"extractor_mode": "default"}),
    ("norm over time, not normalised", {"normalize": False}, {"extractor_mode": "default"}),
    ("no extra tokens", {}, {"num_extra_tokens": 0}),
    ("no extra tokens, no alibi", {}, {"num_extra_tokens": 0, "use_alibi_encoder": False}),
    ("no alibi", {}, {"use_alibi_encoder": False}),
    ("one scale", {}, {"learned_alibi_scale_per_head": False}),
    ("scale of each layer", {}, PER_LAYER),
    ("scale of each layer, not head", {}, PER_LAYER | {"learned_alibi_scale_per_head": False}),
    ("more scales than layers", {}, PER_LAYER | {"model_depth": 5}),
    ("one scale for all shared layers", {}, PER_LAYER | {"model_depth": 1}),
    ("fixed scale", {}, {"learned_alibi_scale": False}),
    ("no layers of the modality", {}, {"prenet_depth": 0}),
    ("no layers of the modality, scale of each", {}, PER_LAYER | {"prenet_depth": 0}),
    ("no shared layers", {"depth": 0}, {"model_depth": 0}),
    ("no layers", {"depth": 0}, PER_LAYER | {"prenet_depth": 0, "model_depth": 2}),
    ("more layers of the modality", {}, {"prenet_depth": 3}),
    ("norm before positions", {}, {"conv_pos_pre_ln": True}),
    ("even positional kernel", {}, {"conv_pos_width": 9, "conv_pos_depth": 2}),
    ("least positional kernel", {}, {"conv_pos_width": 4, "conv_pos_depth": 3}),
    ("one positional layer", {}, {"conv_pos_depth": 1, "conv_pos_groups": 1}),
    ("positions of each channel", {}, {"conv_pos_groups": 32}),
    ("strides beyond kernels", {}, {"feature_encoder_spec": "[(8, 4, 7), (16, 3, 5), (8, 1, 3)]"}),
    ("wide kernels", {}, {"feature_encoder_spec": "[(8, 25, 4), (16, 7, 3), (40, 5, 2)] + [(16, 3, 1)]"}),
    ("wide, over time", {}, {"feature_encoder_spec": "[(8,25,4)] + [(4,7,3)] * 2", "extractor_mode": "default"}),
]  # fmt: skip


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return snapshots.write(tmp_path / "snapshot")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model of each kind of setting that treats padding in its own way."""
    directory = tmp_path_factory.mktemp("padding")
    found: dict[str, Any] = {}
    for name, model, audio in SETTINGS:
        state = random_state(tiny(model, audio), seed=len(found))
        source = snapshots.write(directory / name, tiny(model, audio), state=state)
        found[name] = load(converted(source, directory / f"{name} converted"))
    return found


class TestContract:
    def test_face_and_metadata(self, folder: Path, tmp_path: Path) -> None:
        path = converted(folder, tmp_path / "model")
        onnx.checker.check_model(str(path), full_check=True)
        session = load(path)
        inputs = [(value.name, value.type, value.shape) for value in session.get_inputs()]
        assert inputs == [
            ("waveform", "tensor(float)", ["batch", "samples"]),
            ("samples", "tensor(int64)", ["batch"]),
        ]
        outputs = [(value.name, value.type, value.shape) for value in session.get_outputs()]
        assert outputs == [
            ("frames", "tensor(float)", ["batch", "frames", 32]),
            ("frame_count", "tensor(int64)", ["batch"]),
            ("embedding", "tensor(float)", ["batch", 32]),
            ("emotion.logits", "tensor(float)", ["batch", 9]),
            ("emotion.frame_logits", "tensor(float)", ["batch", "frames", 9]),
        ]
        metadata = Metadata.from_properties(session.get_modelmeta().custom_metadata_map)
        assert metadata.classes == NAMES
        [readout] = metadata.readouts
        assert (readout.labels, readout.kind, readout.activation) == (TOKENS, "linear", "softmax")
        assert readout.is_nine
        assert (metadata.hop, metadata.first_centre, metadata.minimum_samples) == (320, 0.0125, 400)
        assert (metadata.embedding_size, metadata.precision, metadata.licence) == (32, "fp32", "MIT")

    @pytest.mark.parametrize("samples", [400, 719, 720, 721, 16_000, 48_001])
    def test_frames_follow_the_formula(self, sessions: dict[str, Any], samples: int) -> None:
        result = run(sessions["template's"], speech(samples))
        count = (samples - 400) // 320 + 1
        assert result["frame_count"] == [count]
        assert result["frames"].shape == (1, count, 32)

    def test_the_means_of_the_frames_are_the_whole(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(9000), speech(5000, 1))
            for row, count in enumerate(result["frame_count"]):
                frames, logits = result["frames"][row], result["emotion.frame_logits"][row]
                np.testing.assert_allclose(frames[:count].mean(axis=0), result["embedding"][row], atol=1e-5)
                np.testing.assert_allclose(logits[:count].mean(axis=0), result["emotion.logits"][row], atol=1e-5)
                assert not frames[count:].any()
                assert not logits[count:].any()

    def test_a_row_too_short_for_a_frame_is_empty(self, sessions: dict[str, Any]) -> None:
        for session in sessions.values():
            result = run(session, speech(6000), speech(3), speech(0))
            assert result["frame_count"][1:].tolist() == [0, 0]
            assert not result["frames"][1:].any()
            assert not result["embedding"][1:].any()
            assert all(np.isfinite(value).all() for value in result.values())


class TestPadding:
    """A row's outputs depend neither on the other rows nor on what its padding holds."""

    @pytest.mark.parametrize("name", [name for name, _, _ in SETTINGS])
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
            scores = softmax(batch["emotion.logits"][index])
            np.testing.assert_allclose(scores, softmax(single["emotion.logits"][0]), atol=1e-5)


class TestWeights:
    def test_all_that_is_wrong_is_listed(self, tmp_path: Path) -> None:
        state = random_state(tiny())
        del state["blocks.0.attn.qkv.weight"]
        state["blocks.1.mlp.fc1.bias"] = np.zeros(7, np.float32)
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError) as caught:
            converted(folder, tmp_path / "model")
        assert str(caught.value) == (
            "model.pt doesn't fit its config: blocks.0.attn.qkv.weight is missing; "
            "blocks.1.mlp.fc1.bias has the shape (7,), not (128,)"
        )
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["snapshot"]

    def test_a_long_list_is_cut(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "snapshot", state={"weight": np.zeros(1, np.float32)}, tokenizer="x")
        with pytest.raises(ModelError, match=r"conv_layers\.0\.0\.weight is missing.*; and 51 more$"):
            converted(folder, tmp_path / "model")

    @pytest.mark.parametrize("name", ["proj.weight", "proj.bias", "norm"])
    def test_half_a_head_is_an_error(self, tmp_path: Path, name: str) -> None:
        state = random_state(tiny())
        for key in [key for key in state if name in key]:
            del state[key]
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError, match=f"{name}.* is missing"):
            converted(folder, tmp_path / "model")

    def test_a_global_in_the_place_of_a_weight_is_refused_by_name(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "snapshot")
        checkpoint = Checkpoint()
        state: dict[str, Any] = {name: checkpoint.tensor(value) for name, value in random_state(tiny()).items()}
        state["proj.bias"] = Call(Name("os", "system"), ("true",))
        checkpoint.write(folder / "model.pt", state)
        with pytest.raises(ModelError, match=r"proj\.bias is made by os\.system, which is refused"):
            converted(folder, tmp_path / "model")

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_numbers_that_are_none_are_refused(self, tmp_path: Path, value: float) -> None:
        state: dict[str, Any] = random_state(tiny())
        state["blocks.0.attn.proj.weight"] = np.full((32, 32), value)
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        with pytest.raises(ModelError, match=r"blocks\.0\.attn\.proj\.weight has values that aren't finite"):
            converted(folder, tmp_path / "model")
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["snapshot"]

    def test_weights_bigger_than_their_file_are_refused(self, tmp_path: Path) -> None:
        """Every weight a view with stride 0 on one element: a small file that would fill the disk."""
        config = tiny({"embed_dim": 2048}, {"conv_pos_groups": 1})
        folder = snapshots.describe(tmp_path / "snapshot", config)
        checkpoint = Checkpoint()
        one = checkpoint.storage(np.ones(1, np.float32), "float32")
        state = {
            name: torch_zip.view(one, 0, value.shape, (0,) * value.ndim)
            for name, value in random_state(config).items()
        }
        checkpoint.write(folder / "model.pt", state)
        with pytest.raises(ModelError, match="bigger than the file"):
            converted(folder, tmp_path / "model")

    @pytest.mark.parametrize(
        ("prefix", "nested", "extra"),
        [
            ("module.", "state_dict", {}),
            ("d2v_model.", "model", {"scope_map": ["d2v_model.", "none"]}),
            ("", "model_state_dict", {"scope_map": "encoder.,none"}),
        ],
    )
    def test_prefixes_lead_to_the_same_model(
        self, folder: Path, tmp_path: Path, prefix: str, nested: str, extra: dict[str, Any]
    ) -> None:
        other = snapshots.describe(tmp_path / "other", tiny(), **extra)
        checkpoint = Checkpoint()
        state = {
            name if name.startswith("proj") and prefix != "module." else prefix + name: checkpoint.tensor(value)
            for name, value in random_state(tiny()).items()
        }
        state["decoder.blocks.0.0.weight"] = checkpoint.tensor(np.ones(3, np.float32))
        checkpoint.write(other / "model.pt", {nested: state})
        first, second = converted(folder, tmp_path / "a"), converted(other, tmp_path / "b")
        assert first.read_bytes() == second.read_bytes()
        assert (tmp_path / "a/model.onnx.data").read_bytes() == (tmp_path / "b/model.onnx.data").read_bytes()

    def test_a_prefix_may_stand_for_another(self, folder: Path, tmp_path: Path) -> None:
        other = snapshots.describe(tmp_path / "other", tiny(), scope_map=["layers.", "blocks."])
        state = {
            f"layers.{name.removeprefix('blocks.')}" if name.startswith("blocks.") else name: value
            for name, value in random_state(tiny()).items()
        }
        torch_zip.save(other / "model.pt", state)
        assert converted(folder, tmp_path / "a").read_bytes() == converted(other, tmp_path / "b").read_bytes()

    def test_the_last_prefix_that_leads_to_a_weight_decides(self, folder: Path, tmp_path: Path) -> None:
        """As in FunASR: a wrapped copy of a weight comes before the plain one and before scope_map's."""
        other = snapshots.describe(tmp_path / "other", tiny(), scope_map=["d2v_model.", "none"])
        state = random_state(tiny())
        decoys = {prefix + name: value + 1 for name, value in state.items() for prefix in ("", "d2v_model.")}
        wrapped = {f"module.{name}": value for name, value in state.items()}
        torch_zip.save(other / "model.pt", decoys | wrapped)
        converted(folder, tmp_path / "a")
        converted(other, tmp_path / "b")
        assert (tmp_path / "a/model.onnx.data").read_bytes() == (tmp_path / "b/model.onnx.data").read_bytes()

    @pytest.mark.parametrize("dtype", ["float16", "float64"])
    def test_other_precisions_become_fp32(self, tmp_path: Path, dtype: str) -> None:
        state: dict[str, Any] = {name: value.astype(dtype) for name, value in random_state(tiny()).items()}
        folder = snapshots.write(tmp_path / "snapshot", state=state)
        expected = snapshots.write(
            tmp_path / "exact", state={name: value.astype(np.float32) for name, value in state.items()}
        )
        converted(folder, tmp_path / "a")
        converted(expected, tmp_path / "b")
        assert (tmp_path / "a/model.onnx.data").read_bytes() == (tmp_path / "b/model.onnx.data").read_bytes()


class TestHead:
    def test_rows_that_were_not_trained_are_left_out(self, tmp_path: Path) -> None:
        tokens = ("难过/sad", "unuse_0", "开心/happy", "无聊/bored", "unuse_1", "<unk>")
        state = random_state(tiny(), classes=6)
        session = load(converted(snapshots.write(tmp_path / "s", tokens=tokens, state=state), tmp_path / "model"))
        [readout] = Metadata.from_properties(session.get_modelmeta().custom_metadata_map).readouts
        assert readout.labels == ("难过/sad", "开心/happy", "无聊/bored", "<unk>")
        assert readout.emotions == {"难过/sad": "sad", "开心/happy": "happy", "<unk>": "unknown"}
        assert not readout.gives_emotions, "one of its classes is none of the nine"
        result = run(session, speech(4000))
        rows = result["embedding"] @ state["proj.weight"].T + state["proj.bias"]
        np.testing.assert_allclose(result["emotion.logits"], rows[:, [0, 2, 3, 5]], rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("tokens", [(), TOKENS])
    def test_a_model_without_a_head_gives_embeddings(self, tmp_path: Path, tokens: tuple[str, ...]) -> None:
        """As emotion2vec_base; tokens.txt may lie there where neither config nor weights know of a head."""
        state = random_state(tiny(), classes=0)
        session = load(converted(snapshots.write(tmp_path / "s", tokens=tokens, state=state), tmp_path / "model"))
        metadata = Metadata.from_properties(session.get_modelmeta().custom_metadata_map)
        assert metadata.readouts == ()
        result = run(session, speech(4000))
        assert result["embedding"].any()
        assert list(result) == ["frames", "frame_count", "embedding"]

    def test_a_head_that_the_config_speaks_of_must_be_there(self, tmp_path: Path) -> None:
        state = random_state(tiny(), classes=0)
        folder = snapshots.write(tmp_path / "s", state=state, tokenizer="CharTokenizer")
        with pytest.raises(ModelError, match=r"proj\.weight is missing; proj\.bias is missing"):
            converted(folder, tmp_path / "model")

    def test_a_head_needs_names(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "s", tokens=(), state=random_state(tiny()))
        with pytest.raises(ModelError, match=r"no tokens\.txt"):
            converted(folder, tmp_path / "model")

    def test_as_many_names_as_rows(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "s", tokens=TOKENS[3:], state=random_state(tiny()))
        with pytest.raises(ModelError, match=r"proj\.weight has the shape \(9, 32\), not \(6, 32\)"):
            converted(folder, tmp_path / "model")


class TestWriting:
    def test_a_model_is_replaced_whole(self, folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "cache" / "model"
        first = converted(folder, target)
        (target / "left over").touch()
        content = first.read_bytes()
        assert converted(folder, target).read_bytes() == content
        assert sorted(entry.name for entry in target.iterdir()) == ["model.onnx", "model.onnx.data"]
        assert [entry.name for entry in target.parent.iterdir()] == ["model"]

    def test_nothing_is_left_of_a_model_that_failed(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(ModelError, match="No space left"):
            converted(folder, tmp_path / "cache" / "model")
        assert not list((tmp_path / "cache").iterdir())

    def test_a_full_disk_is_seen_before(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(ModelError, match="GB free"):
            converted(folder, tmp_path / "model")

    def test_a_place_that_is_none(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ModelError, match="can't be written"):
            converted(folder, tmp_path / "file" / "model")


@pytest.mark.parametrize(
    ("heads", "slopes"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (8, [2.0**-power for power in range(1, 9)]),
        (3, [2**-4, 2**-8, 2**-2]),
        (12, [*[2.0**-power for power in range(1, 9)], 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]),
    ],
)
def test_alibi_slopes(heads: int, slopes: list[float]) -> None:
    assert alibi_slopes(heads) == pytest.approx(slopes)


@parity
class TestParity:
    """FunASR's own class and ours, on the same random weights."""

    def check(
        self,
        tmp_path: Path,
        config: dict[str, Any],
        lengths: tuple[int, ...],
        *,
        classes: int = 9,
        seed: int = 0,
        prepare: Callable[[Floats], Floats] = lambda waveform: waveform,
        prefix: str = "",
        **settings: Any,
    ) -> None:
        import torch  # noqa: PLC0415

        model = build(config, classes=classes, seed=seed)
        folder = snapshots.describe(tmp_path / "snapshot", config, tokens=TOKENS[:classes], **settings)
        state = {f"{prefix}{name}": weight for name, weight in model.state_dict().items()}
        torch.save({"model": state} if prefix else state, folder / "model.pt")
        session = load(converted(folder, tmp_path / "model"))
        waveforms = [prepare(speech(length, index)) for index, length in enumerate(lengths)]
        singles = [run(session, waveform) for waveform in waveforms]
        together = run(session, *waveforms[:3])
        for index, waveform in enumerate(waveforms):
            frames, scores = infer(model, waveform)
            rows = [{name: value[0] for name, value in singles[index].items()}]
            rows += [{name: value[index] for name, value in together.items()}] if index < 3 else []
            for row in rows:
                assert row["frame_count"] == len(frames)
                error = np.abs(row["frames"][: len(frames)] - frames).max() / np.abs(frames).max()
                assert error < 1e-4
                if classes:
                    assert np.abs(softmax(row["emotion.logits"]) - scores).max() < 1e-5

    @pytest.mark.parametrize(
        ("model", "audio"), [case[1:] for case in SETTINGS], ids=[case[0] for case in SETTINGS]
    )
    def test_every_setting(self, tmp_path: Path, model: dict[str, Any], audio: dict[str, Any]) -> None:
        self.check(tmp_path, tiny(model, audio), (400, 719, 4801, 20_003))

    @pytest.mark.parametrize("seed", range(1, 5))
    def test_other_weights(self, tmp_path: Path, seed: int) -> None:
        self.check(tmp_path, tiny(), (400, 1039, 1040, 30_001), seed=seed)

    def test_thirty_seconds(self, tmp_path: Path) -> None:
        self.check(tmp_path, tiny(), (480_000,))

    @pytest.mark.parametrize(("gain", "offset"), [(10, 0), (1e-5, 0), (0, 0), (0.05, 0.5)])
    def test_other_levels(self, tmp_path: Path, gain: float, offset: float) -> None:
        """Loud, hardly there, silent, and far beside zero, where rounding the mean would be heard."""

        def prepare(waveform: Floats) -> Floats:
            return (waveform * gain + offset).astype(np.float32)

        self.check(tmp_path, tiny(), (400, 16_001, 160_000), prepare=prepare)

    def test_no_head(self, tmp_path: Path) -> None:
        self.check(tmp_path, tiny(), (400, 8001), classes=0)

    @pytest.mark.slow
    def test_the_templates_size(self, tmp_path: Path) -> None:
        self.check(tmp_path, TEMPLATE, (400, 719, 16_001, 48_000, 163_201))

    @pytest.mark.slow
    def test_large_as_published(self, tmp_path: Path) -> None:
        self.check(tmp_path, large(), (400, 48_001, 160_000, 480_000), prefix=SCOPE_MAP[0], scope_map=SCOPE_MAP)

    @pytest.mark.slow
    def test_a_larger_one(self, tmp_path: Path) -> None:
        self.check(tmp_path, configure(LARGER, LARGER_AUDIO), (400, 48_001))


@pytest.fixture(autouse=True)
def _tidy(tmp_path: Path) -> Iterator[None]:
    """Models are big: none outlives its test."""
    yield
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    shutil.rmtree(tmp_path / "snapshot", ignore_errors=True)
