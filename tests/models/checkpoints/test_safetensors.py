import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.errors import ModelError
from emovox.models.checkpoints.safetensors import read_safetensors
from support.wav2vec2_snapshots import save_safetensors


def save(path: Path, header: Any, body: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_tensors_come_back_as_views_of_the_file(tmp_path: Path) -> None:
    values = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array(7.5),
        "half": np.array([0.5, -2], np.float16),
        "none": np.zeros((0, 3), np.float32),
    }
    tensors = read_safetensors(save_safetensors(tmp_path / "model.safetensors", values))
    assert list(tensors) == list(values)
    for name, value in values.items():
        assert tensors[name].shape == value.shape
        np.testing.assert_array_equal(tensors[name].array(), value)
    array = tensors["a"].array()
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    expected = np.array([1.5, -0.25, 3e38], np.float32)
    bits = (expected.view(np.uint32) >> 16).astype(np.uint16)
    tensors = read_safetensors(save_safetensors(tmp_path / "model.safetensors", {"x": bits}))
    np.testing.assert_allclose(tensors["x"].array(), expected, rtol=0.01)
    assert tensors["x"].array().dtype == np.float32


def test_types_that_are_no_weights_are_passed_over(tmp_path: Path) -> None:
    header = {**entry("F8_E4M3", (8,)), "y": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    assert list(read_safetensors(save(tmp_path / "model.safetensors", header, bytes(8)))) == ["y"]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"", "header can't be read"),
        (b"{", "header can't be read"),
        (b"[" * 100_000, "header can't be read"),
        (b"\xff\xfe{}", "header can't be read"),
        ([], "names no tensors"),
        ({}, "holds no tensors"),
        ({"__metadata__": {"format": "pt"}}, "holds no tensors"),
        ({"x": 3}, "tensor 'x'"),
        (entry(dtype=4), "tensor 'x'"),
        (entry(shape=(-2,)), "tensor 'x'"),
        (entry(shape=(2.0,)), "tensor 'x'"),
        (entry(shape=(True, 2)), "tensor 'x'"),
        (entry(shape=(10**30,)), "tensor 'x'"),
        (entry(shape=[1] * 9), "tensor 'x'"),
        (entry(offsets=(0, 9)), "tensor 'x'"),
        (entry(offsets=(-8, 0)), "tensor 'x'"),
        (entry(offsets=(8, 0)), "tensor 'x'"),
        (entry(offsets=(0, 8, 16)), "tensor 'x'"),
        (entry(offsets=(0, 4)), "bytes of its shape"),
        (entry(shape=(2**40, 2**40)), "bytes of its shape"),
    ],
)
def test_other_headers_are_refused(tmp_path: Path, header: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        read_safetensors(save(tmp_path / "model.safetensors", header, bytes(8)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("length", [0, 3, 2**62, 2**64 - 1])
def test_a_header_of_a_length_that_lies(tmp_path: Path, length: int) -> None:
    with pytest.raises(ModelError):
        read_safetensors(save(tmp_path / "model.safetensors", entry(), bytes(8), length=length))


@pytest.mark.parametrize("size", [0, 1, 8, 40, 80])
def test_a_file_that_is_cut_short(tmp_path: Path, size: int) -> None:
    path = save_safetensors(tmp_path / "model.safetensors", {"x": np.zeros(4, np.float32)})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        read_safetensors(path)


def test_a_file_that_isnt_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        read_safetensors(tmp_path / "model.safetensors")
