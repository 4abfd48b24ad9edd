import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emovox.errors import FramesError
from emovox.inference import npz
from emovox.inference.npz import Npz

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=40)
TYPES: list[np.dtype[Any]] = [np.dtype(name) for name in ("<f4", "<f8", "<U5")]
ARRAYS: st.SearchStrategy[np.ndarray] = st.sampled_from(TYPES).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=2, min_side=0))
)


@settings(max_examples=100, deadline=None)
@given(content=st.dictionaries(NAMES, ARRAYS, max_size=5))
def test_what_is_written_is_what_numpy_loads_and_is_mapped(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("npz") / "some.npz"
    npz.save(path, content.items())
    file = Npz(path)
    with np.load(path) as loaded:
        assert set(loaded.files) == set(content)
        for name, array in content.items():
            mapped = file.get(name)
            assert mapped is not None
            assert (mapped.dtype, mapped.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(mapped, array)
            np.testing.assert_array_equal(loaded[name], array)
    assert file.get("another") is None


def test_it_is_not_compressed_and_can_only_be_read(tmp_path: Path) -> None:
    rows = np.zeros((1000, 9), np.float32)
    npz.save(tmp_path / "some.npz", [("rows", rows)])
    assert (tmp_path / "some.npz").stat().st_size > rows.nbytes
    mapped = Npz(tmp_path / "some.npz").get("rows")
    assert mapped is not None
    assert not mapped.flags.writeable
    assert isinstance(mapped.base, np.memmap)


def test_one_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FramesError, match=r"some\.npz: it is gone"):
        Npz(tmp_path / "some.npz").get("rows")
    with pytest.raises(FramesError, match=r"can't be read"):
        Npz(tmp_path).get("rows")


def test_any_damage_to_its_structure_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    rows = np.arange(90, dtype=np.float32).reshape(10, 9)
    npz.save(path, [("rows", rows)])
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(FramesError, match="damaged"):
            Npz(path).get("rows")
    structure = [*range(200), *range(len(whole) - 120, len(whole))]
    for at in structure:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            mapped = Npz(path).get("rows")
        except FramesError:
            continue
        assert mapped is None or mapped.nbytes <= len(whole)  # never what is outside of the file


def test_what_others_made_of_it(tmp_path: Path) -> None:
    rows = np.ones((3, 9), np.float32)
    np.savez(tmp_path / "plain.npz", rows=rows, turned=np.asfortranarray(np.eye(3)[:2]))
    np.testing.assert_array_equal(Npz(tmp_path / "plain.npz").get("rows"), rows)
    np.testing.assert_array_equal(Npz(tmp_path / "plain.npz").get("turned"), np.eye(3)[:2])
    np.savez_compressed(tmp_path / "small.npz", rows=rows)
    np.savez(tmp_path / "pickled.npz", rows=np.array([{}], object))
    with zipfile.ZipFile(tmp_path / "no array.npz", "w") as archive:
        archive.writestr("rows.npy", "no array")
    for name in ("small", "pickled", "no array"):
        with pytest.raises(FramesError, match="damaged"):
            Npz(tmp_path / f"{name}.npz").get("rows")


def test_more_than_four_gigabytes_fit(tmp_path: Path) -> None:
    """The sizes are written as ZIP64 has them from the start: nobody knows them before the end."""
    npz.save(tmp_path / "some.npz", [("rows", np.zeros(3))])
    header = (tmp_path / "some.npz").read_bytes()[:80]
    name, extra = struct.unpack("<26x2H", header[:30])
    assert struct.unpack("<H", header[30 + name : 32 + name]) == (1,)
    assert extra == 20
