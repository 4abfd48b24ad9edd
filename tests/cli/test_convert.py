"""`emovox models show`, `convert` and `verify`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support import snapshots, wav2vec2_snapshots
from support.hub import Hub

Run = Callable[..., tuple[int, str, str]]
WIDE = snapshots.tiny({"embed_dim": 256}, {"conv_pos_groups": 4})


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return snapshots.write(tmp_path / "mine", WIDE)


def test_show_the_bundled_model(run: Run) -> None:
    code, out, _ = run("models", "show", "lite")
    assert code == 0
    for word in ("lite.onnx", "CC BY-NC-SA 4.0", "fp32", "disgusted  disgusted", "runs on"):
        assert word in out


def test_convert_compares_and_show_prints_the_table(run: Run, snapshot: Path) -> None:
    _, out, _ = run("models", "show", snapshot)
    assert "not compared yet" in out
    code, table, err = run("models", "convert", snapshot)
    assert code == 0
    assert "converting mine to fp32 (only once)" in err
    assert table.count("<- auto") == 1
    code, out, err = run("models", "show", snapshot)
    assert (code, err) == (0, "")
    assert table in out
    assert f"{snapshot}" in out


def test_convert_to_one_precision_gives_its_file(run: Run, snapshot: Path) -> None:
    code, out, _ = run("models", "convert", snapshot, "--precision", "int8")
    assert code == 0
    assert Path(out.strip()).name == "model.onnx"
    code, shown, _ = run("models", "show", out.strip())
    assert code == 0
    assert "int8" in shown


def test_a_snapshot_recognises(run: Run, snapshot: Path, examples: list[Path]) -> None:
    code, out, err = run("recognize", examples[0], "--model", snapshot, "--precision", "fp32", "--no-save")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "by mine unknown (fp32)" in err


def test_a_model_without_a_head_gives_embeddings(run: Run, tmp_path: Path, examples: list[Path]) -> None:
    place = snapshots.write(tmp_path / "features", WIDE, tokens=())
    code, out, _ = run("recognize", examples[0], "--model", place, "--precision", "fp32", "--no-save")
    assert code == 0
    assert "–" in out.split()  # beside the path, which a long one fills the line with
    assert "no_head" in out
    code, _, err = run("recognize", examples[0], "--model", place, "--precision", "fp32", "--emotions", "happy")
    assert code == 2
    assert "doesn't give the nine" in err


def test_verify_says_what_it_found(run: Run, snapshot: Path) -> None:
    code, out, _ = run("models", "verify", snapshot)
    assert code == 0
    assert "the published checksums are not known" in out
    assert "has no example/test.wav" in out


@pytest.mark.parametrize("command", ["convert", "verify"])
def test_a_model_file_needs_neither(run: Run, command: str) -> None:
    code, _, err = run("models", command, "lite")
    assert code == 1
    assert "is an .onnx file already" in err


def test_what_is_not_there_gives_the_command_to_run(run: Run) -> None:
    code, _, err = run("recognize", "x.wav", "--model", "emotion2vec_plus_large")
    assert code == 1
    assert "run `emovox models pull emotion2vec_plus_large`" in err


# Wide enough for blocks of int8; the published sizes are multiples of it.
HUBERT = {"model_type": "hubert", "hidden_size": 256, "intermediate_size": 512, "use_weighted_layer_sum": True}


def test_a_snapshot_of_transformers_recognises(run: Run, tmp_path: Path, examples: list[Path]) -> None:
    config = wav2vec2_snapshots.tiny(HUBERT)
    folder = wav2vec2_snapshots.write(tmp_path / "mine", config)
    code, table, err = run("models", "convert", folder)
    assert code == 0
    assert "converting mine to int8 (only once)" in err
    assert table.count("<- auto") == 1
    _, out, _ = run("models", "show", folder)
    rows = [f"  {name:7}  {name}" for name in ("neutral", "happy", "angry", "sad")]
    assert "\n".join(["readout emotion: linear, classes of which one holds (softmax)", *rows]) in out
    assert table in out
    code, out, err = run("recognize", examples[0], "--model", folder, "--precision", "int8", "--no-save")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "by mine unknown (int8)" in err
    code, out, _ = run("models", "verify", folder)
    assert code == 0
    assert "no example/test.wav to compare" in out


def test_a_model_of_superb_is_pulled_and_recognises(
    run: Run, tmp_path: Path, examples: list[Path], served: Hub
) -> None:
    config = wav2vec2_snapshots.tiny(HUBERT, wav2vec2_snapshots.SUPERB)
    folder = wav2vec2_snapshots.write(tmp_path / "published", config, safe=False)
    served.files = served.published = {path.name: path.read_bytes() for path in folder.iterdir()}
    name = "hubert-large-superb-er"
    code, _, err = run("models", "pull", name)
    assert code == 0
    assert "about 1.26 GB, licence: Apache-2.0" in err
    code, out, err = run(
        "recognize", examples[0], "--model", name, "--precision", "fp32", "--format", "json", "--no-save"
    )
    assert code == 0
    scores = json.loads(out)[0]["scores"]
    assert {emotion for emotion, score in scores.items() if score} == {"neutral", "happy", "angry", "sad"}
    # From a folder nobody says what its labels mean.
    code, out, _ = run(
        "recognize", examples[0], "--model", folder, "--precision", "fp32", "--format", "json", "--no-save"
    )
    assert code == 0
    [result] = json.loads(out)
    assert result.get("emotion") is None
    assert tuple(result["readouts"]["emotion"]["scores"]) == wav2vec2_snapshots.SUPERB
