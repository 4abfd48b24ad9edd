import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.wav2vec2.snapshot import is_snapshot, read_snapshot
from support import wav2vec2_snapshots as snapshots
from support.wav2vec2_snapshots import BASE, LARGE, MEANINGS, SUPERB, configure


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


@pytest.mark.parametrize("kind", ["whisper", None, 3, ["wav2vec2"], {}])
def test_other_kinds_are_not_of_this_family(folder: Path, kind: Any) -> None:
    assert is_snapshot(folder)
    change(folder, model_type=kind)
    assert not is_snapshot(folder)
    with pytest.raises(ModelError, match="model_type wav2vec2 or hubert"):
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
    ("settings", "says"),
    [
        # As of audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim.
        ({"problem_type": "regression", "architectures": ["Wav2Vec2ForSpeechClassification"]}, "gives values"),
        ({"problem_type": "multi_label_classification"}, "exclude each other"),
        ({"architectures": ["Wav2Vec2ForSpeechClassification"]}, "Wav2Vec2ForSpeechClassification; computed is"),
        ({"architectures": ["Wav2Vec2ForCTC"]}, "Wav2Vec2ForCTC"),
        ({"architectures": ["HubertForSequenceClassification"]}, "computed is Wav2Vec2ForSequenceClassification"),
        ({"architectures": None}, "None"),
    ],
)
def test_heads_of_other_kinds_are_refused_by_the_config_alone(
    folder: Path, settings: dict[str, Any], says: str
) -> None:
    (folder / "model.safetensors").unlink()
    change(folder, **settings)
    with pytest.raises(ModelError, match=says):
        read_snapshot(folder)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_snapshot(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json can't be read"):
        read_snapshot(folder)


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
    def test_english_names_of_the_nine_are_theirs_whatever_their_case(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, ("Angry", "SAD", "other ", "neutral")))
        assert read_snapshot(folder).labels == ("angry", "sad", "other", "neutral")

    def test_others_by_what_the_catalog_says(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, SUPERB))
        assert read_snapshot(folder, MEANINGS).labels == ("neutral", "happy", "angry", "sad")

    def test_others_by_what_the_user_says_which_goes_before_all(self, folder: Path) -> None:
        snapshots.describe(folder, configure(BASE, ("neu", "hap", "sad")))
        (folder / "emovox-labels.json").write_text('{"hap": "surprised", "sad": "other"}', encoding="utf-8")
        assert read_snapshot(folder, MEANINGS).labels == ("neutral", "surprised", "other")

    @pytest.mark.parametrize(
        ("labels", "says"),
        [
            (
                SUPERB,
                r"'neu', 'hap', 'ang'\. Say which of angry, .* in an emovox-labels\.json beside it, .*\"neu\"",
            ),
            (("anger", "sad"), "not names of the nine: 'anger'"),
            (("LABEL_0", "LABEL_1"), "'LABEL_0', 'LABEL_1'"),
            (("angry", "Angry"), "several classes that are angry: 'angry', 'Angry'"),
            ((), "id2label"),
            (("x" * 10_000,), "not names of the nine"),
            (tuple(f"class {number}" for number in range(900)), "not names of the nine"),
        ],
    )
    def test_none_is_guessed_or_left_out(self, folder: Path, labels: tuple[str, ...], says: str) -> None:
        snapshots.describe(folder, configure(BASE, labels))
        with pytest.raises(ModelError, match=says) as caught:
            read_snapshot(folder)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 800

    @pytest.mark.parametrize(
        "value", [None, [], {"1": "sad"}, {"0": 1}, {"0": "sad", "1": "sad"}, {"zero": "sad"}]
    )
    def test_classes_that_are_not_named(self, folder: Path, value: Any) -> None:
        change(folder, id2label=value)
        with pytest.raises(ModelError, match="id2label"):
            read_snapshot(folder)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ('{"neu": "neutral"}', "speaks of the class 'neu'"),
            ('{"sad": "unhappy"}', "'sad' must be one of"),
            ('{"sad": ["sad"]}', "'sad' must be one of"),
            ('{"happy": "sad"}', "several classes that are sad: 'happy', 'sad'"),
            ("[]", "no settings"),
            ("{", "not valid JSON"),
        ],
    )
    def test_a_map_that_cant_be_followed(self, folder: Path, content: str, says: str) -> None:
        (folder / "emovox-labels.json").write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=says):
            read_snapshot(folder)
