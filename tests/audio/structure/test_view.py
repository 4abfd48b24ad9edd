import io
import os

from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.structure.view import Bytes, View


@given(
    parts=st.lists(st.one_of(st.binary(max_size=9), st.tuples(st.integers(0, 40), st.integers(0, 9))), max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(-60, 60), st.integers(-1, 50)), max_size=8),
)
def test_it_reads_as_a_file_of_its_parts_does(
    parts: list[bytes | tuple[int, int]], steps: list[tuple[int, int, int]]
) -> None:
    data = bytes(range(60))
    ranges = [part if isinstance(part, bytes) else (part[0], part[0] + part[1]) for part in parts]
    whole = io.BytesIO(b"".join(part if isinstance(part, bytes) else data[part[0] : part[1]] for part in ranges))
    source = Bytes(io.BytesIO(data))
    view, other = View(source, ranges), View(source, [(0, 60)])
    size = len(whole.getvalue())
    assert view.size == size
    assert view.seekable()
    for whence, offset, count in steps:
        other.read(7)
        base = (0, whole.tell(), size)[whence]
        whole.seek(max(0, min(base + offset, size)))
        assert view.seek(offset, whence) == whole.tell() == view.tell()
        assert view.peek(3, 5) == whole.getvalue()[3:8]
        assert view.read(count) == whole.read(count)


def test_a_place_that_is_nowhere_is_an_end() -> None:
    view = View(Bytes(io.BytesIO(b"abc")), [(0, 3)])
    assert view.seek(1 << 63) == 3
    assert view.seek(-(1 << 63), os.SEEK_CUR) == 0


def test_numbers() -> None:
    data = Bytes(io.BytesIO(b"\x01\x02\x03"))
    assert (data.number(0, 2), data.number(0, 2, "big"), data.number(2, 4), data.number(9, 4)) == (513, 258, 3, 0)
    assert (data.at(-1, 4), data.at(3, 1), data.at(1, 0), data.at(1, 99)) == (b"", b"", b"", b"\x02\x03")
