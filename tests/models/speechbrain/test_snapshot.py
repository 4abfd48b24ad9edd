from pathlib import Path

import pytest

from emovox.errors import ModelError
from emovox.models.speechbrain.snapshot import is_snapshot, read_snapshot
from support import speechbrain_snapshots as snapshots
from support.speechbrain_snapshots import LABELS, tiny
from support.wav2vec2_snapshots import MEANINGS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the published settings, with something in the place of its weights."""
    for name in ("wav2vec2.ckpt", "model.ckpt"):
        (tmp_path / name).write_bytes(b"weights")
    return snapshots.describe(tmp_path, tiny())


def test_the_published_settings_are_read(folder: Path) -> None:
    assert is_snapshot(folder)
    snapshot = read_snapshot(folder, MEANINGS)
    assert (snapshot.output_norm, snapshot.bias, snapshot.labels) == (True, False, LABELS)
    assert snapshot.emotions == MEANINGS
    assert snapshot.readout.gives_emotions
    assert snapshot.weight_files == (folder / "wav2vec2.ckpt", folder / "model.ckpt")


def test_the_first_release_and_the_latest_name_the_encoder_otherwise(folder: Path) -> None:
    current = "lobes.models.huggingface_transformers.wav2vec2.Wav2Vec2"
    for name in (
        "lobes.models.huggingface_wav2vec.HuggingFaceWav2Vec2",
        "integrations.huggingface.wav2vec2.Wav2Vec2",
    ):
        snapshots.describe(folder, tiny(), (current, name))
        assert read_snapshot(folder).labels == LABELS


def test_sizes_are_read_off_the_weights(tmp_path: Path) -> None:
    encoder = read_snapshot(snapshots.write(tmp_path)).encoder
    assert (encoder.hidden_size, encoder.num_hidden_layers, encoder.num_attention_heads) == (48, 2, 12)
    assert (encoder.num_conv_pos_embeddings, encoder.num_conv_pos_embedding_groups) == (18, 4)


def test_labels_in_any_order_of_lines(folder: Path) -> None:
    (folder / "label_encoder.txt").write_text("'b' => 1\n\"a => b\" => 0\n'c' => 2\n'd' => 3\n===============\n")
    assert read_snapshot(folder).labels == ("a => b", "b", "c", "d")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "StatisticsPooling\n    return_std: False",
            "StatisticsPooling\n    return_std: True",
            "avg_pool.return_std",
        ),
        ("StatisticsPooling\n    return_std: False", "StatisticsPooling", "avg_pool.return_std must be False"),
        ("pooling.StatisticsPooling", "pooling.AttentiveStatisticsPooling", "avg_pool is !new:"),
        ("freeze: True", "output_all_hiddens: True", "wav2vec2.output_all_hiddens is True"),
        ("freeze: True", "quantise: True", "wav2vec2.quantise is True"),
        ("bias: False", "max_norm: 1.0", "output_mlp.max_norm is 1.0"),
        (
            "    avg_pool: !ref <avg_pool>\n",
            "    lstm: !ref <avg_pool>\n",
            "modules are wav2vec2, output_mlp, lstm",
        ),
        ("wav2vec2_hub: facebook/wav2vec2-base", "wav2vec2_hub: my/own", "the encoder is 'my/own'"),
        ("out_n_neurons: 4", "out_n_neurons: 5", "names 4 classes, and hyperparams.yaml has 5"),
        ("!new:speechbrain.nnet.linear.Linear", "!new:os.system", "output_mlp is !new:os.system"),
        ("!new:speechbrain.nnet.linear.Linear", "!apply:os.system", "output_mlp is !apply:os.system"),
        ("!ref <out_n_neurons>", "!!python/object/apply:os.system [true]", "not valid YAML"),
        ("modules:", "modules: &m\nother: *m\nx:", "aliases"),
    ],
)
def test_other_settings_are_refused(folder: Path, old: str, new: str, reason: str) -> None:
    snapshots.describe(folder, tiny(), (old, new))
    with pytest.raises(ModelError) as caught:
        read_snapshot(folder)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_nothing_that_it_names_is_called(folder: Path) -> None:
    """HyperPyYAML would: `!apply` calls a function when the file is read."""
    path = folder / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8") + f"seed: !apply:os.system [touch {folder}/ran]\n"
    path.write_text(text + f"other: !new:pathlib.Path.touch\n    - {folder}/ran\n", encoding="utf-8")
    assert read_snapshot(folder).labels == LABELS
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "neu => 0",
        "'neu' = 0",
        "'neu' => zero",
        "'neu' => 1",
        "'neu' => 0\n'neu' => 1",
        "'neu' => 0\n'ang' => 0",
        "__import__('os').system('true') => 0",
        "'a\\nb' => 0",
        "7 => 0",
        "(" * 5000 + " => 0",
    ],
)
def test_other_labels_are_refused(folder: Path, content: str) -> None:
    (folder / "label_encoder.txt").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"label_encoder\.txt"):
        read_snapshot(folder)


def test_a_head_of_gigabytes_is_refused(folder: Path) -> None:
    with (folder / "model.ckpt").open("wb") as file:
        file.truncate(5 << 30)  # a hole
    with pytest.raises(ModelError, match=r"model\.ckpt is over 10 MB"):
        read_snapshot(folder)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    for name in ("wav2vec2.ckpt", "model.ckpt", "label_encoder.txt", "hyperparams.yaml"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            read_snapshot(folder)
        (folder / name).write_bytes(content)
