import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.audio.recording import open_recording
from emovox.errors import AudioError, RecordingNotFoundError, TooLargeError, UnreadableAudioError

LIMIT = 1_000


class Pipe(io.RawIOBase):
    """A stream that can't seek, like standard input at the end of a pipe."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 7))


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "bytearray", "file", "pipe"])
def test_every_source_gives_the_same_bytes_and_checksum(tmp_path: Path, kind: str) -> None:
    data = os.urandom(500)
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    sources: dict[str, Any] = {
        "path": path, "text": str(path), "bytes": data, "bytearray": bytearray(data),
        "file": io.BytesIO(data), "pipe": Pipe(data),
    }  # fmt: skip
    source = sources[kind]
    with open_recording(source, max_bytes=LIMIT) as recording:
        assert recording.sha256 == hashlib.sha256(data).hexdigest()
        assert recording.name == ("x.bin" if kind in {"path", "text"} else None)
        assert recording.file is not None
        assert recording.file.read() == data
    with open_recording(
        source if kind not in {"file", "pipe"} else data, name="call", max_bytes=LIMIT
    ) as recording:
        assert recording.name == "call"


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO, Pipe])
def test_the_size_is_limited(tmp_path: Path, wrap: type) -> None:
    with (
        pytest.raises(TooLargeError, match="EMOVOX_MAX_FILE_SIZE"),
        open_recording(wrap(b"x" * 1001), max_bytes=LIMIT),
    ):
        pass
    (tmp_path / "x").write_bytes(b"x" * 1001)
    with pytest.raises(TooLargeError, match=r"^x: larger"), open_recording(tmp_path / "x", max_bytes=LIMIT):
        pass


def test_what_is_not_there_or_not_a_file(tmp_path: Path) -> None:
    def error(source: object) -> AudioError:
        with pytest.raises(AudioError) as caught, open_recording(source, max_bytes=LIMIT):  # type: ignore[arg-type]
            pass
        assert "\n" not in str(caught.value)
        return caught.value

    missing = error(tmp_path / "gone.wav")
    assert isinstance(missing, RecordingNotFoundError)
    assert str(missing) == f"{tmp_path / 'gone.wav'}: no such file"
    assert "download it first" in error("https://host/call.mp3").reason
    assert error(tmp_path).reason == "not a file"
    assert error("a\0b").reason == "embedded null byte"
    assert error(b"").reason == "the file is empty"
    assert "binary mode" in error(io.StringIO("text")).reason
    closed = io.BytesIO(b"x")
    closed.close()
    assert "can't be read" in error(closed).reason
    assert "can't read a recording from int" in error(3).reason
    assert "(array, sample_rate)" in error((np.zeros(9),)).reason
    assert "sample rate" in error((np.zeros(9), 0)).reason
    os.mkfifo(tmp_path / "fifo")
    assert error(tmp_path / "fifo").reason == "not a file"


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with (
        pytest.raises(UnreadableAudioError, match="Permission denied"),
        open_recording(tmp_path / "x", max_bytes=9),
    ):
        pass


def test_an_array_is_known_by_values_type_and_rate() -> None:
    def checksum(array: object, rate: float) -> str:
        with open_recording((array, rate), max_bytes=LIMIT) as recording:  # type: ignore[arg-type]
            assert recording.samples is not None
            assert recording.samples.ndim == 2
            return recording.sha256

    same = checksum(np.arange(9.0), 8_000)
    assert checksum(np.arange(18.0)[::2] / 2, 8_000.0) == same
    others = [(np.arange(9), 8_000), (np.arange(9.0), 8_001), (np.arange(8.0), 8_000)]
    assert len({same, *(checksum(array, rate) for array, rate in others)}) == 4


def test_a_name_that_is_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(b"x")
    with open_recording(path, max_bytes=LIMIT) as recording:
        assert recording.name == "caf\ufffd.wav"


def test_a_view_with_gaps_and_names_with_surrogates() -> None:
    with open_recording(memoryview(b"abcdef")[::2], name="x\ud800", max_bytes=LIMIT) as recording:
        assert recording.file is not None
        assert (recording.file.read(), recording.name) == (b"ace", "x?")
