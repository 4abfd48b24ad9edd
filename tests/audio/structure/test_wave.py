import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.structure import View, inspect
from support.zoo import chunk, decoded, extensible, form, riff

Pcm = NDArray[np.int16]


@pytest.fixture(scope="module")
def pcm(speech: NDArray[np.float32]) -> Pcm:
    return np.rint(32768 * speech).astype("<i2")


def in_32(pcm: Pcm) -> NDArray[np.int32]:
    return pcm.astype("<i4") << 16


def odd(pcm: Pcm) -> bytes:
    """Samples of 8 bits, an odd number."""
    samples = ((pcm.astype(int) >> 8) + 128).astype(np.uint8).tobytes()
    return samples[: len(samples) // 2 * 2 - 1]


PLAIN = form(1, 1, 16)
SAME: dict[str, Callable[[Pcm], bytes]] = {
    "plain": lambda x: riff(PLAIN, chunk(b"data", x.tobytes())),
    "a size of all that counts 8 bytes too many": lambda x: riff(
        PLAIN, chunk(b"data", x.tobytes()), size=44 + x.nbytes
    ),
    "no size of all": lambda x: riff(PLAIN, chunk(b"data", x.tobytes()), size=0),
    "never finished": lambda x: riff(PLAIN, chunk(b"data", x.tobytes(), size=0), size=0),
    "from a pipe": lambda x: riff(PLAIN, chunk(b"data", x.tobytes(), size=0xFFFFFFFF), size=0xFFFFFFFF),
    "a size of data that counts the header": lambda x: riff(
        PLAIN, chunk(b"data", x.tobytes(), size=x.nbytes + 44)
    ),
    "an end of line behind it": lambda x: riff(PLAIN, chunk(b"data", x.tobytes())) + b"\r\n",
    "tags in Latin 1": lambda x: riff(
        chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Gespr\xe4ch\0")), PLAIN, chunk(b"data", x.tobytes())
    ),
    "an ID3 tag before it": lambda x: (
        b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + riff(PLAIN, chunk(b"data", x.tobytes()))
    ),
    "an odd chunk that isn't evened": lambda x: riff(
        chunk(b"junk", b"abc", pad=False), PLAIN, chunk(b"data", x.tobytes())
    ),
    "data before the format": lambda x: riff(chunk(b"data", x.tobytes()), PLAIN),
    "two chunks of data": lambda x: riff(
        PLAIN, chunk(b"data", x[:9000].tobytes()), chunk(b"LIST", b"INFO"), chunk(b"data", x[9000:].tobytes())
    ),
    "RIFX": lambda x: riff(
        form(1, 1, 16, big=True), chunk(b"data", x.astype(">i2").tobytes(), big=True), name=b"RIFX"
    ),
    "RIFX with 32 bits": lambda x: riff(
        form(1, 1, 32, big=True), chunk(b"data", in_32(x).astype(">i4").tobytes(), big=True), name=b"RIFX"
    ),
    "RIFX with 24 bits in the lower part of 32": lambda x: riff(
        form(1, 1, 32, big=True), chunk(b"data", (in_32(x) >> 8).astype(">i4").tobytes(), big=True), name=b"RIFX"
    ),
    "RIFX with floats": lambda x: riff(
        form(3, 1, 32, big=True), chunk(b"data", (x / 32768).astype(">f4").tobytes(), big=True), name=b"RIFX"
    ),
    "RF64": lambda x: (
        b"RF64\xff\xff\xff\xffWAVE"
        + chunk(b"ds64", struct.pack("<QQQI", x.nbytes + 72, x.nbytes, len(x), 0))
        + PLAIN
        + chunk(b"data", x.tobytes(), size=0xFFFFFFFF)
    ),
    "extensible, 12 of 16 bits": lambda x: riff(
        form(0xFFFE, 1, 16, more=extensible(12)), chunk(b"data", x.tobytes())
    ),
    "extensible, 8 of 16 bits": lambda x: riff(
        form(0xFFFE, 1, 16, more=extensible(8)), chunk(b"data", x.tobytes())
    ),
    "extensible, 20 of 32 bits": lambda x: riff(
        form(0xFFFE, 1, 32, more=extensible(20)), chunk(b"data", in_32(x).tobytes())
    ),
    "extensible, 24 of 32 bits": lambda x: riff(
        form(0xFFFE, 1, 32, more=extensible(24)), chunk(b"data", in_32(x).tobytes())
    ),
    "extensible, 24 lower bits of 32": lambda x: riff(
        form(0xFFFE, 1, 32, more=extensible(24)), chunk(b"data", (in_32(x) >> 8).tobytes())
    ),
    "extensible floats": lambda x: riff(
        form(0xFFFE, 1, 32, more=extensible(32, 3)), chunk(b"data", (x / 32768).astype("<f4").tobytes())
    ),
    "extensible without its extension": lambda x: riff(
        form(0xFFFE, 1, 16, more=b"\0\0"), chunk(b"data", x.tobytes())
    ),
    "loudspeakers for more channels than there are": lambda x: riff(
        form(0xFFFE, 1, 16, more=extensible(16, mask=0x3F)), chunk(b"data", x.tobytes())
    ),
    "24 bits in blocks of 4 bytes": lambda x: riff(form(1, 1, 24, block=4), chunk(b"data", in_32(x).tobytes())),
    "24 lower bits of 32": lambda x: riff(form(1, 1, 32), chunk(b"data", (in_32(x) >> 8).tobytes())),
    "64 bits": lambda x: riff(form(1, 1, 64), chunk(b"data", (x.astype("<i8") << 48).tobytes())),
    "no word on bits": lambda x: riff(chunk(b"fmt ", form(1, 1, 16)[8:22]), chunk(b"data", x.tobytes())),
    "blocks of no length": lambda x: riff(
        chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 0, 16)), chunk(b"data", x.tobytes())
    ),
    "an old editor's floats of 24 bits": lambda x: riff(
        form(1, 1, 24, block=4), chunk(b"data", (x.astype("<f4") * 256).tobytes())
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_whatever_the_header_says_the_sound_is_the_same(kind: str, pcm: Pcm) -> None:
    waveform, decoding = decoded(SAME[kind](pcm))
    np.testing.assert_allclose(waveform, pcm / 32768, rtol=0, atol=1e-6)
    assert decoding.warnings == ()


@pytest.mark.parametrize("size", ["right", "counts the byte that evens"])
def test_an_odd_number_of_bytes_is_whole(pcm: Pcm, size: str) -> None:
    data = riff(form(1, 1, 8), chunk(b"data", odd(pcm), pad=False))
    if size != "right":
        data = data[:4] + struct.pack("<I", len(data) - 7) + data[8:]
    waveform, decoding = decoded(data)
    assert (len(waveform), decoding.warnings) == (len(odd(pcm)), ())


@pytest.mark.parametrize("kind", ["plain", "RIFX", "RF64", "an ID3 tag before it", "two chunks of data"])
@pytest.mark.parametrize("lost", [2, 1_000, 30_000])
def test_what_breaks_off_is_truncated(kind: str, lost: int, pcm: Pcm) -> None:
    waveform, decoding = decoded(SAME[kind](pcm)[:-lost])
    assert decoding.truncated
    assert len(waveform) == len(pcm) - lost // 2


def test_the_beginning_of_32_bits_may_be_quiet(pcm: Pcm) -> None:
    """What is 24 bits wide at first is not when it grows louder."""
    samples = in_32(pcm)
    samples[:20_000] >>= 9
    waveform, _ = decoded(riff(form(1, 1, 32), chunk(b"data", samples.tobytes())))
    np.testing.assert_allclose(waveform, samples / 2**31, rtol=0, atol=1e-6)


def test_more_than_2_gigabytes_are_written_as_unknown(tmp_path: Path) -> None:
    """A sparse file."""
    path = tmp_path / "long.wav"
    size = 5 * 2**30
    with path.open("wb") as file:
        head = b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", struct.pack("<QQQI", size + 72, size, size // 2, 0))
        file.write(head + PLAIN + b"data\xff\xff\xff\xff")
        file.truncate(file.tell() + size)
    with path.open("rb") as file:
        structure, data = inspect(file)
        view = View(data, structure.parts)
        assert not structure.truncated
        assert view.size == size + 44
        assert view.read(44)[-4:] == b"\xff\xff\xff\xff"
        assert view.seek(-2, io.SEEK_END) == size + 42
        assert view.read() == bytes(2)


@pytest.mark.parametrize(("channels", "plain"), [(1, True), (2, False)])
def test_only_in_two_channels_other_sound_may_hide(pcm: Pcm, channels: int, plain: bool) -> None:
    file = io.BytesIO(riff(form(1, channels, 16), chunk(b"data", pcm[:4000].tobytes())))
    assert inspect(file)[0].plain is plain


def test_what_is_plain_is_opened_without_a_long_search(pcm: Pcm, monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[dict[str, str]] = []
    opened = av.open

    def look(*args: Any, **given: Any) -> Any:
        options.append(given["options"])
        return opened(*args, **given)

    monkeypatch.setattr(av, "open", look)
    waveform, _ = decoded(riff(PLAIN, chunk(b"data", pcm.tobytes())))
    np.testing.assert_array_equal(waveform, pcm / np.float32(32768))
    assert [given["max_probe_packets"] for given in options] == ["0"]
