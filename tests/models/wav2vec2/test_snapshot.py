import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.wav2vec2.snapshot import HEADLESS, SEQUENCE, SPEECH, is_snapshot, read_snapshot
from support import wav2vec2_snapshots as snapshots
from support.wav2vec2_snapshots import AUDEERING, BASE, DIMENSIONS, LARGE, MEANINGS, SUPERB, configure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the base model's settings, with something in the place of its weights."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return snapshots.describe(tmp_path, configure(BASE))


def change(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | settings), encoding="utf-8")


def test_the_published_settings_are_read(folder: Path) -> None:
    snapshot = read_snapshot(folder)
    config = snapshot.config
    assert (config.hidden_size, config.num_hidden_layers, config.feat_extract_norm) == (768, 12, "group")
    assert (config.use_weighted_layer_sum, config.do_stable_layer_norm) == (True, False)
    assert config.convolutions == ((512, 10, 5), *[(512, 3, 2)] * 4, (512, 2, 2), (512, 2, 2))
    assert snapshot.labels == ("neutral", "happy", "angry", "sad")
    assert (snapshot.embedding_size, snapshot.normalize) == (768, True)
    assert snapshot.sha256() == hashlib.sha256(b"weights").hexdigest()
    snapshots.describe(folder, configure(LARGE), do_normalize=False)
    large = read_snapshot(folder)
    assert (large.config.num_hidden_layers, large.config.conv_bias, large.normalize) == (24, True, False)


def test_of_data2vec_and_conformers_some_settings_are_their_own(folder: Path) -> None:
    snapshots.describe(folder, configure({"model_type": "data2vec-audio", "feat_extract_norm": "group"}))
    config = read_snapshot(folder).config
    assert (config.feat_extract_norm, config.num_conv_pos_embeddings, config.conv_pos_kernel_size) == (
        "layer",
        5,
        19,
    )
    change(folder, num_conv_pos_embeddings=65)
    with pytest.raises(ModelError, match="num_conv_pos_embeddings must be 64 at most"):
        read_snapshot(folder)
    snapshots.describe(folder, configure({"model_type": "wav2vec2-conformer", "do_stable_layer_norm": True}))
    config = read_snapshot(folder).config
    assert (config.do_stable_layer_norm, config.position_embeddings_type) == (False, "relative")
    for name, value in [("conv_depthwise_kernel_size", 30), ("position_embeddings_type", "alibi")]:
        snapshots.describe(folder, configure({"model_type": "wav2vec2-conformer", name: value}))
        with pytest.raises(ModelError, match=name):
            read_snapshot(folder)


@pytest.mark.parametrize("kind", ["whisper", None, 3, ["wav2vec2"], {}])
def test_other_kinds_are_not_of_this_family(folder: Path, kind: Any) -> None:
    assert is_snapshot(folder)
    change(folder, model_type=kind)
    assert not is_snapshot(folder)
    with pytest.raises(ModelError, match="model_type wav2vec2 or hubert or wavlm"):
        read_snapshot(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", 0),
        ("hidden_size", 10**9),
        ("hidden_size", 700),
        ("hidden_size", None),
        ("num_hidden_layers", 0),
        ("num_hidden_layers", 1000),
        ("num_attention_heads", 7),
        ("num_attention_heads", -12),
        ("intermediate_size", 10**9),
        ("hidden_act", "relu"),
        ("hidden_act", ["gelu"]),
        ("layer_norm_eps", -1),
        ("feat_extract_norm", "batch"),
        ("feat_extract_activation", "gelu_new"),
        ("conv_dim", []),
        ("conv_dim", [512] * 6),
        ("conv_dim", [10**6] * 7),
        ("conv_dim", 512),
        ("conv_kernel", [0] * 7),
        ("conv_stride", [1000] * 7),
        ("num_conv_pos_embeddings", 10**9),
        ("num_conv_pos_embedding_groups", 7),
        ("use_weighted_layer_sum", "perhaps"),
        ("classifier_proj_size", -1),
        ("add_adapter", True),
        ("adapter_attn_dim", 16),
    ],
)
def test_settings_out_of_range_are_refused(folder: Path, key: str, value: Any) -> None:
    change(folder, **{key: value})
    with pytest.raises(ModelError, match=r"config\.json: ") as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_buckets", 3),
        ("num_buckets", 10**9),
        ("num_buckets", 3200),  # a quarter of which is the greatest distance
        ("max_bucket_distance", 80),
        ("max_bucket_distance", 10**9),
        ("max_bucket_distance", None),
    ],
)
def test_wavlms_own_settings_out_of_range_are_refused(folder: Path, key: str, value: Any) -> None:
    snapshots.describe(folder, configure({"model_type": "wavlm"}))
    assert read_snapshot(folder).config.num_buckets == 320
    change(folder, **{key: value})
    with pytest.raises(ModelError, match=r"config\.json: .*bucket"):
        read_snapshot(folder)


def test_a_setting_of_another_kind_means_nothing(folder: Path) -> None:
    change(folder, num_buckets=10**9, conv_pos_batch_norm=True)
    assert read_snapshot(folder).config.conv_pos_batch_norm is False


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"problem_type": "ranking"}, "problem_type is 'ranking'; it can be single_label_classification, multi_"),
        ({"problem_type": ["regression"]}, "problem_type is"),
        ({"pooling_mode": "max"}, "pooling_mode is 'max': only heads on the mean"),
        ({"pooling_mode": "max", "architectures": ["Wav2Vec2ForSpeechClassification"]}, "pooling_mode is 'max'"),
        (
            {"architectures": ["Wav2Vec2ForCTC"], "id2label": None},
            "Wav2Vec2ForCTC, which can't be computed; Wav2Vec2ForSequenceClass",
        ),
        (
            {"architectures": ["Wav2Vec2ForPreTraining"]},
            "Wav2Vec2Model, which has none: name it there to have emb",
        ),
        (
            {"architectures": ["HubertForSequenceClassification"]},
            "is of the class HubertForSequenceClassification",
        ),
        ({"architectures": ["Wav2Vec2Model", "Wav2Vec2ForCTC"]}, "the class Wav2Vec2Model, Wav2Vec2ForCTC"),
        ({"architectures": None}, "the class None"),
        ({"architectures": ["two\nlines" * 100]}, "the class two linestwo"),
        ({"architectures": [["Wav2Vec2Model"]]}, "the class"),
        ({"architectures": []}, "the class "),
        ({"id2label": {"0": "arousal"}}, "a single output, 'arousal', and not whether it is a value"),
    ],
)
def test_what_cant_be_computed_is_refused_by_the_config_alone(
    folder: Path, settings: dict[str, Any], says: str
) -> None:
    (folder / "model.safetensors").unlink()
    change(folder, **settings)
    with pytest.raises(ModelError, match=says) as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("architecture", "problem", "labels", "architecture_read", "activation"),
    [
        ("Wav2Vec2ForSequenceClassification", None, ("a", "b"), SEQUENCE, "softmax"),
        ("Wav2Vec2ForSequenceClassification", "single_label_classification", ("a",), SEQUENCE, "softmax"),
        ("Wav2Vec2ForSequenceClassification", "multi_label_classification", ("a",), SEQUENCE, "sigmoid"),
        ("Wav2Vec2ForSpeechClassification", "regression", ("a",), SPEECH, "none"),
        ("EmotionModel", "regression", DIMENSIONS, SPEECH, "none"),
        ("Wav2Vec2Model", "regression", (), HEADLESS, "softmax"),
    ],
)
def test_what_the_head_gives(
    folder: Path,
    architecture: str,
    problem: str | None,
    labels: tuple[str, ...],
    architecture_read: str,
    activation: str,
) -> None:
    snapshots.describe(folder, configure(AUDEERING, labels))
    change(folder, architectures=[architecture], problem_type=problem)
    snapshot = read_snapshot(folder)
    assert (snapshot.architecture, snapshot.activation) == (architecture_read, activation)
    assert snapshot.labels == labels


@pytest.mark.parametrize(
    ("labels", "range_"),
    [
        (DIMENSIONS, (0, 1)),
        (("Valence",), (0, 1)),
        (("arousal", "age"), None),
        (("LABEL_0", "LABEL_1"), None),
    ],
)
def test_only_values_whose_range_is_known_have_one(folder: Path, labels: tuple[str, ...], range_: Any) -> None:
    snapshots.describe(folder, configure(AUDEERING, labels, SPEECH))
    readout = read_snapshot(folder).readout("pooled")
    assert (readout.name, readout.labels, readout.range) == ("dimensions", labels, range_)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_snapshot(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json can't be read"):
        read_snapshot(folder)


def test_of_several_files_of_weights_none_may_be_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index.write_text(json.dumps({"weight_map": dict(zip("ab", names, strict=True))}), encoding="utf-8")
    (folder / names[0]).write_bytes(b"a")
    with pytest.raises(ModelError, match=rf"index\.json names {names[1]}, which is missing beside it"):
        read_snapshot(folder)
    (folder / names[1]).write_bytes(b"b")
    snapshot = read_snapshot(folder)
    assert snapshot.weights == index
    assert snapshot.weight_files == tuple(folder / name for name in names)
    checksum = snapshot.sha256()
    (folder / names[1]).write_bytes(b"c")
    assert snapshot.sha256() != checksum


@pytest.mark.parametrize("settings", [{"sampling_rate": 8000}, {"feature_size": 80}, {"do_normalize": "perhaps"}])
def test_other_preprocessors_are_refused(folder: Path, settings: dict[str, Any]) -> None:
    snapshots.describe(folder, configure(BASE), **settings)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: "):
        read_snapshot(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"[]", b"9" * 100_000, b"\xff", b" " * 300_000])
def test_other_configs_are_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)


class TestLabels:
    def test_they_stay_as_they_are_spelled(self, folder: Path) -> None:
        labels = ("Angry", "SAD", "other ", "愤怒", "LABEL_4", "very sad")
        snapshots.describe(folder, configure(BASE, labels))
        snapshot = read_snapshot(folder)
        assert snapshot.labels == labels
        assert snapshot.emotions == {"Angry": "angry", "SAD": "sad", "other ": "other"}

    def test_others_by_what_the_catalog_says(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, SUPERB))
        assert read_snapshot(folder).emotions == {"sad": "sad"}
        snapshot = read_snapshot(folder, MEANINGS | {"xyz": "angry"})
        assert (snapshot.labels, snapshot.emotions) == (SUPERB, MEANINGS)

    def test_others_by_what_the_user_says_which_goes_before_all(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, ("neu", "hap", "sad", "bored")))
        (folder / "emovox-labels.json").write_text('{"hap": "surprised", "sad": "other"}', encoding="utf-8")
        snapshot = read_snapshot(folder, MEANINGS)
        assert snapshot.emotions == {"neu": "neutral", "hap": "surprised", "sad": "other"}
        assert not snapshot.readout("linear").gives_emotions

    def test_several_may_mean_the_same(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, ("angry", "Angry", "calm")))
        (folder / "emovox-labels.json").write_text('{"calm": "neutral"}', encoding="utf-8")
        snapshot = read_snapshot(folder)
        assert snapshot.emotions == {"angry": "angry", "Angry": "angry", "calm": "neutral"}
        assert snapshot.readout("linear").gives_emotions

    def test_values_mean_no_emotion(self, folder: Path) -> None:
        snapshots.describe(folder, configure(AUDEERING, ("sad", "happy"), SPEECH))
        assert read_snapshot(folder, {"sad": "sad"}).emotions == {}
        (folder / "emovox-labels.json").write_text('{"sad": "sad"}', encoding="utf-8")
        with pytest.raises(ModelError, match="speaks of the class 'sad'"):
            read_snapshot(folder)

    def test_transformers_leaves_out_its_default(self, folder: Path) -> None:
        config = configure(BASE)
        del config["id2label"]
        snapshots.describe(folder, config)
        assert read_snapshot(folder).labels == ("LABEL_0", "LABEL_1")

    @pytest.mark.parametrize(
        "value",
        [
            [],
            {},
            {"1": "sad"},
            {"0": 1},
            {"0": "sad", "1": "sad"},
            {"zero": "sad"},
            {"0": "x" * 10_000},
            {"0": " "},
            {"0": "two\nlines"},
            {str(index): f"class {index}" for index in range(1001)},
        ],
    )
    def test_what_isnt_named_is_refused(self, folder: Path, value: Any) -> None:
        change(folder, id2label=value)
        with pytest.raises(ModelError, match="id2label") as caught:
            read_snapshot(folder)
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ('{"neu": "neutral"}', "speaks of the class 'neu'"),
            ('{"sad": "unhappy"}', "'sad' must be one of"),
            ('{"sad": ["sad"]}', "'sad' must be one of"),
            ("[]", "no settings"),
            ("{", "not valid JSON"),
        ],
    )
    def test_a_map_that_cant_be_followed(self, folder: Path, content: str, says: str) -> None:
        (folder / "emovox-labels.json").write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=says):
            read_snapshot(folder)
