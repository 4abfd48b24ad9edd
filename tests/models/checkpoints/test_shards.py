import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import read_state, shard_names, weight_files
from support.wav2vec2_snapshots import save_safetensors, save_shards

STATE = {name: np.full(3, number, np.float32) for number, name in enumerate("abcde")}


def values(path: Path) -> dict[str, Any]:
    return {
        name: tensor.array().tolist() for name, tensor in read_state(path).items() if not isinstance(tensor, Inert)
    }


@pytest.mark.parametrize("safe", [True, False])
def test_all_tensors_of_all_files(tmp_path: Path, safe: bool) -> None:
    index = save_shards(tmp_path, STATE, count=2, safe=safe)
    assert [path.name[:-5].rpartition("-of-")[0][-5:] for path in weight_files(index)] == ["00001", "00002"]
    assert values(index) == {name: value.tolist() for name, value in STATE.items()}


def test_a_file_by_itself(tmp_path: Path) -> None:
    path = save_safetensors(tmp_path / "model.safetensors", STATE)
    assert weight_files(path) == (path,)
    assert set(read_state(path)) == set(STATE)


def test_only_what_the_index_says_of_a_file_is_taken(tmp_path: Path) -> None:
    index = save_shards(tmp_path, STATE, count=2)
    first, second = weight_files(index)
    save_safetensors(second, {**STATE, "more": STATE["a"]} | {"a": np.full(3, 9, np.float32)})
    assert values(index) == {name: value.tolist() for name, value in STATE.items()}
    save_safetensors(first, {"a": STATE["a"]})
    with pytest.raises(ModelError, match=f"says that 'c' is in {first.name}, and it isn't there"):
        read_state(index)


@pytest.mark.parametrize("content", [None, [], {}, {"weight_map": []}, {"weight_map": {}}, {"weight_map": "x"}])
def test_what_is_no_index(content: object) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json is no index"):
        shard_names(content, "model.safetensors.index.json")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "model.bin",
        "other.safetensors",
        "model-1.safetensors.index.json",
        "../model-1.safetensors",
        "model/1.safetensors",
        "model-\\1.safetensors",
        "model-1.safetensors\n",
        "model-\u202e1.safetensors",
        f"model-{'1' * 300}.safetensors",
        None,
        ["model-1.safetensors"],
    ],
)
def test_other_names_are_refused(name: object) -> None:
    with pytest.raises(ModelError, match=r"is refused: it names .* which is no model-….safetensors beside it"):
        shard_names({"weight_map": {"a": "model-2.safetensors", "b": name}}, "model.safetensors.index.json")


def test_an_index_of_thousands_of_files_is_refused() -> None:
    names = {str(number): f"model-{number}.safetensors" for number in range(1001)}
    with pytest.raises(ModelError, match="over 1000 files"):
        shard_names({"weight_map": names}, "model.safetensors.index.json")


def test_an_index_that_cannot_be_read(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for content, reason in [("{", "not valid JSON"), (" " * 5_000_000, "over 4000 kB"), (json.dumps([1]), "no")]:
        index.write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=reason):
            weight_files(index)


def test_a_link_out_of_the_folder_is_the_user_s_own(tmp_path: Path) -> None:
    """As in Hugging Face's cache, whose files are links to where their content is."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    index = save_shards(tmp_path / "blobs", STATE, count=2)
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    assert set(read_state(tmp_path / "snapshot" / index.name)) == set(STATE)
