import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.structure import is_padding
from emovox.audio.structure.tags import leading, trailing
from emovox.audio.structure.view import Bytes
from support.zoo import decoded


def id3v2(size: int, *, footer: bool = False) -> bytes:
    title = b"TIT2" + struct.pack(">IH", 9, 0) + b"\0Gespr\xe4ch"
    body = title + bytes(size - len(title))
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    return b"ID3\4\0" + flags + length + body + (b"3DI\4\0" + flags + length if footer else b"")


def ape(size: int) -> bytes:
    item = struct.pack("<II", size, 2) + b"Cover Art (Front)\0" + os.urandom(size)

    def edge(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8)

    return edge(0xA0000000) + item + edge(0x80000000)


LYRICS = b"LYRICSBEGIN" + b"IND0000211" + b"LYR00099" + b"la " * 33
ID3V1 = b"TAG" + b"Gespr\xe4ch".ljust(125)
TAILS = {
    "ID3v1": ID3V1,
    "enhanced ID3v1": b"TAG+" + bytes(223) + ID3V1,
    "ID3v2": id3v2(500),
    "ID3v2 with a footer": id3v2(5000, footer=True),
    "APEv2 with a cover": ape(50_000),
    "Lyrics3": LYRICS + b"%06dLYRICS200" % len(LYRICS) + ID3V1,
    "Lyrics3 of the first kind": b"LYRICSBEGIN" + b"la " * 33 + b"LYRICSEND" + ID3V1,
    "all of them": ape(900) + LYRICS + b"%06dLYRICS200" % len(LYRICS) + id3v2(100) + ID3V1,
}
KINDS = [
    "x.mp3", "bare.mp3", "x.mp2", "x.aac", "x.ac3", "x.flac", "x.tta", "x.wv", "x.opus", "x.caf", "x.w64", "x.wma",
    "x.m4a", "x.wav", "live.webm", "x.flv",
]  # fmt: skip


@pytest.mark.parametrize("tail", TAILS)
def test_the_end_is_before_tags(tail: str) -> None:
    data = os.urandom(1000) + b"\1"
    assert trailing(Bytes(io.BytesIO(data + TAILS[tail])), 0, len(data + TAILS[tail])) == len(data)


def test_the_beginning_is_behind_tags() -> None:
    data = id3v2(400) + id3v2(20, footer=True) + b"RIFF"
    assert leading(Bytes(io.BytesIO(data)), 0, len(data)) == len(data) - 4
    lies = b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(99)
    assert leading(Bytes(io.BytesIO(lies)), 0, len(lies)) == 0


def test_nothing_but_tags_is_left_as_it_is() -> None:
    assert trailing(Bytes(io.BytesIO(ID3V1)), 0, 128) == 128
    assert trailing(Bytes(io.BytesIO(b"TAG")), 0, 3) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_no_damage(zoo: dict[str, Path], tmp_path: Path, kind: str) -> None:
    whole = zoo[kind].read_bytes()
    waveform, _ = decoded(zoo[kind])
    for number, tail in enumerate([*TAILS.values(), b"\n", b"\r\n", b"\r\n\r\n"]):
        path = tmp_path / f"{number}{zoo[kind].suffix}"
        path.write_bytes(whole + tail)
        same, decoding = decoded(path)
        assert decoding.warnings == (), (number, kind)
        np.testing.assert_array_equal(same, waveform)


@pytest.mark.parametrize(
    "kind", ["x.wav", "x.aiff", "x.ac3", "x.flac", "x.m4a", "x.mka", "x.wv", "x.avi", "x.mp3"]
)
def test_an_id3_tag_may_stand_before_anything(zoo: dict[str, Path], kind: str) -> None:
    waveform, _ = decoded(zoo[kind].read_bytes())
    same, decoding = decoded(id3v2(3000) + zoo[kind].read_bytes())
    assert decoding.warnings == ()
    np.testing.assert_array_equal(same, waveform)


@pytest.mark.parametrize("kind", ["x.mp3", "x.aac", "x.ac3", "x.au", "x.wav", "x.flac", "x.ts", "x.opus", "x.m4a"])
def test_zeros_behind_it_are_no_sound(zoo: dict[str, Path], kind: str) -> None:
    waveform, _ = decoded(zoo[kind].read_bytes())
    same, decoding = decoded(zoo[kind].read_bytes() + bytes(5_000))
    assert decoding.warnings == ()
    np.testing.assert_array_equal(same, waveform)


def test_padding() -> None:
    for data in (b"", bytes(4096), b"\r\n", b"ID3\4", b"TAG x", b"APETAGEX", b"LYRICSBEGIN", b"3DI\4"):
        assert is_padding(data)
    assert not is_padding(b"\xff\xfb\0\0")
