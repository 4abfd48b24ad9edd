import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emovox.errors import ModelError
from emovox.models.checkpoints.checkpoint import Tensor, read_checkpoint
from emovox.models.checkpoints.pickled import STORAGES, Inert, walk
from support import torch_zip
from support.funasr_model import parity
from support.torch_zip import BFloat16, Call, Checkpoint, Name, Raw, opcodes, view

SYSTEM = Name("posix", "system")


def tensor(state: dict[str, Tensor | Inert], name: str) -> Tensor:
    found = state[name]
    assert isinstance(found, Tensor)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_element_type_is_read(path: Path, big_endian: bool, compression: int) -> None:
    kinds = [kind for kind in STORAGES.values() if kind != "bfloat16"]
    values = {kind: np.array([[0, 1, 0], [3, 1, 100]]).astype(kind) for kind in kinds}
    checkpoint = Checkpoint(big_endian=big_endian)
    state = {kind: checkpoint.tensor(array) for kind, array in values.items()}
    halves = np.array([[1.5, -2.0, 3e38]], np.float32).view(np.uint32) & 0xFFFF0000
    state["bfloat16"] = checkpoint.tensor(BFloat16(halves.view(np.float32)))
    checkpoint.write(path, state, compression=compression)

    read = read_checkpoint(path)
    for kind, array in values.items():
        found = tensor(read, kind)
        assert (found.dtype, found.shape) == (kind, (2, 3))
        np.testing.assert_array_equal(found.array(), array)
    found = tensor(read, "bfloat16")
    assert found.array().dtype == np.float32
    np.testing.assert_array_equal(found.array(), halves.view(np.float32))


def test_elements_stay_on_disk(path: Path) -> None:
    torch_zip.save(path, {"weight": np.ones((1000, 1000), np.float32)})
    tracemalloc.start()
    array = tensor(read_checkpoint(path), "weight").array()
    assert array.sum() == 1_000_000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert not array.flags.writeable


def test_views_have_offsets_and_strides(path: Path) -> None:
    checkpoint = Checkpoint()
    storage = checkpoint.storage(np.arange(24, dtype=np.float32), "float32")
    checkpoint.write(
        path,
        {
            "columns": view(storage, 2, (3, 4), (1, 6)),
            "expanded": view(storage, 23, (5,), (0,)),
            "scalar": view(storage, 7, ()),
            "empty": view(storage, 0, (0, 4)),
        },
    )
    state = read_checkpoint(path)
    expected = np.arange(24).reshape(4, 6)[:, 2:5].T
    np.testing.assert_array_equal(tensor(state, "columns").array(), expected)
    np.testing.assert_array_equal(tensor(state, "expanded").array(), [23] * 5)
    assert tensor(state, "scalar").array() == 7
    assert tensor(state, "empty").array().shape == (0, 4)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (25,), (1,)),
        (24, (1,), (1,)),
        (-1, (2,), (1,)),
        (5, (3,), (-1,)),
        (0, (-1,), (1,)),
        (0, (2, 3), (12, 7)),
        (0, (2,), (10**30,)),
        (0, (10**30,), (1,)),
        (0, (2, 2), (1,)),
        (0, (1,) * 9, (1,) * 9),
        (0, (0, 10**5000), (1, 1)),
        ("0", (1,), (1,)),
        (0, ("1",), (1,)),
    ],
)
def test_nothing_is_read_outside_of_a_storage(
    path: Path, offset: Any, shape: tuple[Any, ...], strides: tuple[int, ...]
) -> None:
    checkpoint = Checkpoint()
    storage = checkpoint.storage(np.zeros(24, np.float32), "float32")
    checkpoint.write(path, {"weight": view(storage, offset, shape, strides)})
    with pytest.raises(ModelError, match="outside"):
        read_checkpoint(path)


def test_a_storage_that_claims_too_much_is_refused(path: Path) -> None:
    checkpoint = Checkpoint()
    storage = checkpoint.storage(np.zeros(24, np.float32), "float32", elements=25)
    checkpoint.write(path, {"weight": view(storage, 0, (25,))})
    with pytest.raises(ModelError, match="cut short"):
        read_checkpoint(path)


def test_a_storage_is_a_name_in_the_archive_and_no_path(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(96))
    storage = torch_zip.Persistent(("storage", Name("torch", "FloatStorage"), "../../secret", "cpu", 24))
    Checkpoint().write(path, {"weight": view(storage, 0, (24,))})
    with pytest.raises(ModelError, match="cut short"):
        read_checkpoint(path)


@pytest.mark.parametrize("keys", [(), ("state_dict",), ("model_state_dict",), ("model",), ("state_dict", "model")])
def test_the_state_may_be_nested(path: Path, keys: tuple[str, ...]) -> None:
    checkpoint = Checkpoint()
    state: Any = {"weight": checkpoint.tensor(np.ones(3, np.float32))}
    for key in reversed(keys):
        state = {key: state, "epoch": 3, "args": Call(Name("argparse", "Namespace"), ())}
    checkpoint.write(path, state)
    assert set(read_checkpoint(path)) >= {"weight"}


def test_what_a_state_dict_carries_beside_its_tensors_does_no_harm(path: Path) -> None:
    """As torch pickles it: an OrderedDict filled later, with attributes; a Parameter; training objects."""
    checkpoint = Checkpoint()
    ones = checkpoint.tensor(np.ones(3, np.float32))
    ordered = Name("collections", "OrderedDict")
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), (ones, True, Call(ordered, ())))
    state = Raw(
        opcodes(ordered) + b")R(" + opcodes("weight") + opcodes(parameter) + b"u"
        # {"_metadata": …} as its attributes
        + opcodes({"_metadata": Call(ordered, ())}) + b"b"
    )  # fmt: skip
    config = Raw(opcodes(Name("omegaconf.dictconfig", "DictConfig")) + b")\x81" + opcodes({"lr": 0.1}) + b"b")
    optimizer = {0: {"step": 3, 7: ones}, "groups": [1, (2, None)], "names": Raw(b"\x8f(\x4b\x01\x90")}
    checkpoint.write(path, {"model": state, "cfg": config, "optimizer": optimizer})
    np.testing.assert_array_equal(tensor(read_checkpoint(path), "weight").array(), [1, 1, 1])


def test_protocol_4_is_read(path: Path) -> None:
    checkpoint = Checkpoint()
    storage = opcodes(checkpoint.storage(np.ones(3, np.float32), "float32"))
    rebuild = opcodes("torch._utils")[0:0] + b"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94"
    arguments = b"(" + storage + opcodes(0) + opcodes((3,)) + opcodes((1,)) + b"\x89NtR"
    checkpoint.write(path, Raw(b"\x80\x04}\x94(\x8c\x06weight\x94" + rebuild + arguments + b"u"))
    np.testing.assert_array_equal(tensor(read_checkpoint(path), "weight").array(), [1, 1, 1])


class TestHostile:
    def test_a_call_is_never_made(self, path: Path, tmp_path: Path) -> None:
        marker = tmp_path / "it ran"

        class Bomb:
            def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
                return os.system, (f"touch '{marker}'",)

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"args": Bomb(), "model": Bomb()}, protocol=2))
        with pytest.raises(ModelError, match=r"holds (posix|nt)\.system, and only tensors are read"):
            read_checkpoint(path)
        assert not marker.exists()

    def test_what_it_makes_stays_inert(self, path: Path) -> None:
        checkpoint = Checkpoint()
        weight = checkpoint.tensor(np.ones(3, np.float32))
        checkpoint.write(path, {"weight": weight, "bias": Call(SYSTEM, ("true",))})
        assert read_checkpoint(path)["bias"] == Inert("posix.system")

    def test_no_module_is_imported(self, path: Path) -> None:
        Checkpoint().write(path, {"a": Name("antigravity", "fly"), "b": Call(Name("this", "s"), ())})
        with pytest.raises(ModelError):
            read_checkpoint(path)
        import sys  # noqa: PLC0415

        assert not {"antigravity", "this"} & set(sys.modules)

    @pytest.mark.parametrize(
        "root",
        [
            Raw(b"N" + b"r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff"),  # memo slot 4294967295
            Raw(b"j\x01\x00\x00\x00"),
            Raw(b"0" * 10),
            Raw(b"tttt"),
            Raw(b"(" * 1_000_000),
            Raw(b"]" * 1_000_000),
            Raw(b"]" + b"a" * 1_000_000),
            Raw(b")" + b"\x85" * 1_000_000 + b"}" + b"\x86R"),
            Raw(b"X\xff\xff\xff\xff"),
            Raw(b"\x8d" + b"\xff" * 8),
            Raw(b"\x8b\xff\xff\xff\x7f"),
            Raw(b"cnt\n"),
            Raw(b"c\xff\n\xff\n"),
            Raw(b"iposix\nsystem\n"),
            Raw(b"c\\(\n\\8\n"),
            Raw(b"\x82\x01"),
            Raw(b"Pdata\n"),
            Raw(b"}(" + b"]" + b"K\x01" + b"u" + b"K\x01Q"),
            Raw(b"}}}su"),
            Raw(b"}K\x01K\x02" + b"R"),
            Raw(b"NNR" + b"b" * 3),
            Call(Name("torch._utils", "_rebuild_tensor_v2"), ()),
            Call(Name("torch._utils", "_rebuild_tensor_v2"), "abcd"),
            Call(Name("torch._utils", "_rebuild_parameter"), ()),
            Call(Name("collections", "OrderedDict"), ([("weight", 1)],)),
            torch_zip.Persistent(("storage", "FloatStorage", "0", "cpu", 1)),
            torch_zip.Persistent("0"),
            Name("os", "x" * 100_000),
            "weights",
            [1, 2],
            7,
            {},
        ],
    )  # fmt: skip
    def test_an_odd_pickle_is_one_line(self, path: Path, root: Any) -> None:
        Checkpoint().write(path, root)
        with pytest.raises(ModelError) as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_a_huge_index_is_refused(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(50_000_000))
        with pytest.raises(ModelError, match="over 4 MB"):
            read_checkpoint(path)

    def test_a_member_that_inflates_beyond_its_claim_is_cut(self, path: Path) -> None:
        """The directory says 100 bytes; the stream holds 50 MB."""
        checkpoint = Checkpoint()
        storage = checkpoint.storage(np.zeros(12_500_000, np.float32), "float32", elements=25)
        checkpoint.write(path, {"weight": view(storage, 0, (25,))}, compression=zipfile.ZIP_DEFLATED)
        content = path.read_bytes()
        path.write_bytes(content.replace(struct.pack("<I", 50_000_000), struct.pack("<I", 100)))
        tracemalloc.start()
        with pytest.raises(ModelError):
            tensor(read_checkpoint(path), "weight").array()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()

    def test_a_huge_directory_is_refused(self, path: Path) -> None:
        """Records that would make some gigabytes of objects."""
        entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *([0] * 18)) + b"x"
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry) * 500_000, 0, 0)
        path.write_bytes(entry * 500_000 + end)
        with pytest.raises(ModelError, match="directory is too big"):
            read_checkpoint(path)

    def test_cut_at_any_place(self, path: Path) -> None:
        torch_zip.save(path, {"weight": np.ones(30, np.float32), "bias": np.ones(3, np.float32)})
        content = path.read_bytes()
        for end in range(len(content)):
            path.write_bytes(content[:end])
            with pytest.raises(ModelError):
                read_checkpoint(path)

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_any_byte_changed(self, tmp_path: Path, data: st.DataObject) -> None:
        target = tmp_path / "changed.pt"
        checkpoint = Checkpoint()
        weight = checkpoint.tensor(np.ones((5, 6), np.float32))
        checkpoint.write(target, {"weight": weight, "bias": checkpoint.tensor(np.ones(3, np.float16))})
        content = bytearray(target.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        target.write_bytes(content)
        try:
            for value in read_checkpoint(target).values():
                if isinstance(value, Tensor):
                    value.array()
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017 - reading may also succeed

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_as_a_pickle(self, pickled: bytes) -> None:
        try:
            walk(pickled)
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a torch checkpoint"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "not a torch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a torch checkpoint"),
    ],
)
def test_other_files_are_refused(path: Path, content: bytes, says: str) -> None:
    """Empty, torch's format before 1.6, and a pointer that git-lfs left in a model's place."""
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        read_checkpoint(path)


def test_other_archives_are_refused(path: Path) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        read_checkpoint(path)
    with pytest.raises(ModelError, match="can't be read"):
        read_checkpoint(path.parent)
    for names in (["readme"], ["data.pkl"], ["a/data.pkl", "b/data.pkl"], ["a/b/data.pkl"]):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"}.")
        with pytest.raises(ModelError, match=r"no data\.pkl"):
            read_checkpoint(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a/data.pkl", b"}.")
    with pytest.raises(ModelError, match="compressed in a way"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"}.")
        archive.writestr("a/byteorder", b"middle")
    with pytest.raises(ModelError, match="byte order"):
        read_checkpoint(path)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a/data.pkl", b"}.")
    # The flags of the directory's entry: encrypted.
    path.write_bytes(content.getvalue().replace(b"PK\1\2\x14\x03\x14\x00\x00", b"PK\1\2\x14\x03\x14\x00\x01"))
    with pytest.raises(ModelError, match="encrypted"):
        read_checkpoint(path)


@parity
@pytest.mark.parametrize("protocol", [2, 4])
def test_torch_agrees(path: Path, protocol: int) -> None:
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    base = torch.randn(6, 8)
    layer = torch.nn.Linear(4, 3)
    state: dict[str, Any] = {
        "half": base.half(),
        "brain": base.bfloat16(),
        "double": base.double(),
        "bool": base > 0,
        "long": (base * 100).long(),
        "transposed": base.T,
        "sliced": base[1:5:2, 3:],
        "expanded": base[0].expand(3, 8),
        "parameter": torch.nn.Parameter(base.clone()),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        **layer.state_dict(),
    }
    torch.save({"model": state, "epoch": 3}, path, pickle_protocol=protocol)
    read = read_checkpoint(path)
    assert set(read) == set(state)
    for name, value in state.items():
        expected = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        np.testing.assert_array_equal(tensor(read, name).array(), expected.numpy())
    torch.save(layer.state_dict(), path)
    assert set(read_checkpoint(path)) == {"weight", "bias"}
    torch.save(layer, path)
    with pytest.raises(ModelError, match=r"holds torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(path)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"since version 1\.6|not a torch checkpoint"):
        read_checkpoint(path)
