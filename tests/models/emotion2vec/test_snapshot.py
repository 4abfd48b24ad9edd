import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.emotion2vec.snapshot import (
    emotions_of,
    parse_feature_encoder_spec,
    read_snapshot,
    trained_rows,
)
from support import snapshots
from support.snapshots import TEMPLATE, TOKENS, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the template's settings, with something in the place of its weights."""
    (tmp_path / "model.pt").write_bytes(b"weights")
    return snapshots.describe(tmp_path, TEMPLATE)


def test_the_template_is_read(folder: Path) -> None:
    snapshot = read_snapshot(folder)
    config, audio = snapshot.config, snapshot.config.audio
    assert (config.embed_dim, config.num_heads, config.depth, config.hidden) == (768, 12, 8, 3072)
    assert (config.norm_eps, config.norm_affine, config.layer_norm_first, config.normalize) == (
        1e-5,
        True,
        False,
        True,
    )
    assert audio.feature_encoder_spec == ((512, 10, 5), *[(512, 3, 2)] * 4, (512, 2, 2), (512, 2, 2))
    assert (audio.hop, audio.minimum_samples, audio.positional_kernel, audio.alibi_scales) == (320, 400, 19, 1)
    assert snapshot.tokens == TOKENS
    assert snapshot.weights == folder / "model.pt"
    assert snapshot.sha256() == hashlib.sha256(b"weights").hexdigest()


def test_numbers_may_be_written_as_python_writes_them(folder: Path) -> None:
    """PyYAML reads 1e-05, which has no point, as a string."""
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    assert "norm_eps: 1.0e-05" in text
    (folder / "config.yaml").write_text(text.replace("1.0e-05", "1e-05"), encoding="utf-8")
    assert read_snapshot(folder).config.norm_eps == 1e-5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("embed_dim", 0),
        ("embed_dim", 10**9),
        ("embed_dim", 700),
        ("embed_dim", None),
        ("num_heads", 7),
        ("num_heads", -12),
        ("depth", 1000),
        ("depth", "deep"),
        ("depth", [8]),
        ("depth", 9),
        ("mlp_ratio", 0),
        ("mlp_ratio", float("inf")),
        ("mlp_ratio", 1e-9),
        ("norm_eps", float("nan")),
        ("norm_eps", -1),
        ("normalize", "perhaps"),
        ("modalities", None),
        ("modalities", {"audio": 3}),
        ("audio.prenet_depth", -1),
        ("audio.conv_pos_depth", 0),
        ("audio.conv_pos_width", 10**9),
        ("audio.conv_pos_groups", 7),
        ("audio.num_extra_tokens", 10**6),
        ("audio.num_alibi_heads", 13),
        ("audio.learned_alibi", True),
        ("audio.extractor_mode", "group_norm"),
        ("audio.feature_encoder_spec", None),
        ("audio.feature_encoder_spec", []),
        ("audio.feature_encoder_spec", "[(512, 10)]"),
        ("audio.feature_encoder_spec", "[(512, 10, 0)]"),
        ("audio.feature_encoder_spec", "[(512, 1000, 1000)] * 2"),
        ("audio.feature_encoder_spec", "__import__('os').system('true')"),
    ],
)
def test_settings_out_of_range_are_refused(folder: Path, key: str, value: Any) -> None:
    model, audio = ({}, {key.removeprefix("audio."): value}) if key.startswith("audio.") else ({key: value}, {})
    per_layer = {"learned_alibi_scale_per_layer": True} if (key, value) == ("depth", 9) else {}
    config = snapshots.configure({}, audio | per_layer) | model
    snapshots.describe(folder, config)
    with pytest.raises(ModelError, match=r"config\.yaml: model_conf") as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("[(512, 10, 5)]", [(512, 10, 5)]),
        ("[(4,3,2)] * 2 + [(5,2,2)]", [(4, 3, 2), (4, 3, 2), (5, 2, 2)]),
        (" 2 * ([(4, 1 + 2, 2 * 1)] + [[5, 2, 2]]) ", [(4, 3, 2), [5, 2, 2], (4, 3, 2), [5, 2, 2]]),
    ],
)
def test_specs_are_arithmetic_of_lists(text: str, layers: list[object]) -> None:
    assert parse_feature_encoder_spec(text) == layers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "512",
        "(512, 10, 5)",
        "[(512, 10, 5)] * 33",
        "[(512, 10, 5)] * 10**9",
        "[(512, 10, 5)] * 4096 * 4096 * 4096",
        "9999 * 9999",
        "[1] + 2",
        "[(1, 2, 3)] - []",
        "[x for x in ()]",
        "[open('x')]",
        "[(512, -10, 5)]",
        "[(True, 1.5, 'a')]",
        "lambda: 0",
        "(" * 500 + ")" * 500,
        "[" * 500 + "]" * 500,
        "+".join(["[1]"] * 33),
        "[1]" + " + [1]" * 10_000,
        "[1]\x00",
    ],
)
def test_anything_else_is_no_spec(text: str) -> None:
    with pytest.raises(ValueError, match="feature_encoder_spec"):
        parse_feature_encoder_spec(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no settings"),
        (b"- 1\n", "no settings"),
        (b"model: Whisper\n", "Whisper"),
        (b"model: Emotion2vec\n", "model_conf"),
        (b"model: [Emotion2vec\n", "not valid YAML"),
        (b"model: !!python/object/apply:os.system [true]\n", "not valid YAML"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\n", "aliases"),
        (b"a: &a {k: 1}\nb: {<<: [*a, *a]}\n", "aliases"),
        (b"[" * 100_000, "not valid YAML"),
        (b"model: " + b"9" * 100_000, "not valid YAML"),
        (b"model: 2020-99-99\n", "not valid YAML"),
        (b"#" * 300_000, "over 200 kB"),
        (b"? [a]\n: 1\n", "not valid YAML|model"),
        (b"{[]: 1}", "not valid YAML"),
    ],
)
def test_other_configs_are_refused(folder: Path, content: bytes, says: str) -> None:
    (folder / "config.yaml").write_bytes(content)
    with pytest.raises(ModelError, match=says) as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    (folder / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"config\.yaml can't be read"):
        read_snapshot(folder)
    (folder / "model.pt").unlink()
    with pytest.raises(ModelError, match=r"no model\.pt"):
        read_snapshot(folder)


class TestTokens:
    def test_some_classes_were_never_taught(self, folder: Path) -> None:
        tokens = ("生气/angry", "unuse_0", "unuse_1", "开心/happy", "中立/neutral", "unuse_2", "难过/sad", "<unk>")
        snapshots.describe(folder, TEMPLATE, tokens=tokens)
        assert read_snapshot(folder).tokens == tokens
        assert [tokens[row] for row in trained_rows(tokens)] == [
            "生气/angry",
            "开心/happy",
            "中立/neutral",
            "难过/sad",
            "<unk>",
        ]

    def test_a_model_without_a_head_has_none(self, folder: Path) -> None:
        (folder / "tokens.txt").unlink()
        assert read_snapshot(folder).tokens == ()

    def test_json_comes_first(self, folder: Path) -> None:
        (folder / "tokens.json").write_text(json.dumps(["难过/sad", "<unk>"]), encoding="utf-8")
        assert read_snapshot(folder).tokens == ("难过/sad", "<unk>")

    def test_line_ends_and_a_byte_order_mark_are_no_part_of_a_name(self, folder: Path) -> None:
        (folder / "tokens.txt").write_bytes("\r\n".join((*TOKENS, "", "")).encode("utf-8-sig"))
        assert read_snapshot(folder).tokens == TOKENS

    def test_what_they_mean_follows_the_slash(self) -> None:
        tokens = ("生气/angry", "开心/Happy", "sad", "无聊/bored", "愤怒/angry", "<unk>", "x/<unk>")
        assert emotions_of(tokens) == {
            "生气/angry": "angry",
            "开心/Happy": "happy",
            "sad": "sad",
            "愤怒/angry": "angry",
            "<unk>": "unknown",
            "x/<unk>": "unknown",
        }

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("tokens.txt", "", "at least one"),
            ("tokens.txt", "unuse_0\nunuse_1\n", "at least one"),
            ("tokens.txt", "生气/angry\n生气/angry\n", "twice"),
            ("tokens.txt", "生气/angry\n\n开心/happy\n", "each a short line"),
            ("tokens.txt", "生气/angry\nha\x1bppy\n", "each a short line"),
            ("tokens.txt", "angry\n" + "unuse_0\n" * 2000, "at least one"),
            ("tokens.txt", "x" * 100_000, "each a short line"),
            ("tokens.json", "{", "JSON"),
            ("tokens.json", "[" * 100_000, "JSON"),
            ("tokens.json", '{"angry": 0}', "list"),
            ("tokens.json", "[1, 2]", "list"),
        ],
    )
    def test_other_tokens_are_refused(self, folder: Path, name: str, content: str, says: str) -> None:
        (folder / name).write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=says) as caught:
            read_snapshot(folder)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("scope_map", "pairs"),
    [
        (None, ()),
        ([], ()),
        (["d2v_model.", "none"], (("d2v_model.", ""),)),
        ("d2v_model.,None,a.,b.", (("d2v_model.", ""), ("a.", "b."))),
        ([None, "encoder."], (("", "encoder."),)),
    ],
)
def test_scope_maps(folder: Path, scope_map: Any, pairs: tuple[tuple[str, str], ...]) -> None:
    snapshots.describe(folder, tiny(), scope_map=scope_map)
    assert read_snapshot(folder).scope_map == (*pairs, ("module.", ""))


@pytest.mark.parametrize("scope_map", [["odd"], [1, 2], {"a": "b"}, 7, ["a", "b"] * 51])
def test_other_scope_maps_are_refused(folder: Path, scope_map: Any) -> None:
    snapshots.describe(folder, tiny(), scope_map=scope_map)
    with pytest.raises(ModelError, match="scope_map"):
        read_snapshot(folder)
