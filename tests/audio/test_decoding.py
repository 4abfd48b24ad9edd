import http.server
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from emovox.audio.decoding import Decoding, decode
from emovox.audio.recording import Source, open_recording
from emovox.errors import AudioError, NoAudioError, TooLargeError, TooShortError, UnreadableAudioError
from support.zoo import likeness

Encode = Callable[..., Path]
DATA = Path(__file__).parents[1] / "data"


@contextmanager
def opened(source: Source, *, name: str | None = None, max_seconds: float = 3600) -> Iterator[Decoding]:
    with (
        open_recording(source, name=name, max_bytes=2**30) as recording,
        decode(recording, max_seconds=max_seconds) as decoding,
    ):
        yield decoding


def heard(source: Source) -> tuple[np.ndarray, Decoding]:
    with opened(source) as decoding:
        blocks = list(decoding.blocks())
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    return np.concatenate(blocks), decoding


def error(source: Source, **options: float) -> AudioError:
    with pytest.raises(AudioError) as caught, opened(source, **options) as decoding:  # type: ignore[arg-type]
        for _ in decoding.blocks():
            pass
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "codec", "rate", "sample_format", "least"),
    [
        ("x.wav", "pcm_s16le", 16_000, "s16", 0.9999),
        ("x.wav", "pcm_s24le", 48_000, "s32", 0.9999),
        ("x.wav", "pcm_f32le", 44_100, "flt", 0.9999),
        ("x.wav", "pcm_f64le", 192_000, "dbl", 0.9999),
        ("x.wav", "pcm_u8", 16_000, "u8", 0.98),
        ("x.wav", "pcm_mulaw", 8_000, "s16", 0.9),
        ("x.aiff", "pcm_s16be", 22_050, "s16", 0.9999),
        ("x.flac", "flac", 96_000, "s32", 0.9999),
        ("x.mp3", "libmp3lame", 44_100, "fltp", 0.97),
        ("x.m4a", "aac", 48_000, "fltp", 0.97),
        ("x.m4a", "alac", 44_100, "s16p", 0.9999),
        ("x.aac", "aac", 32_000, "fltp", 0.97),
        ("x.opus", "libopus", 48_000, "flt", 0.9),
        ("x.webm", "libopus", 48_000, "flt", 0.9),
        ("x.mka", "ac3", 48_000, "fltp", 0.95),
    ],
)
def test_real_speech_survives_every_format(
    speech: np.ndarray, encode: Encode, name: str, codec: str, rate: int, sample_format: str, least: float
) -> None:
    source = soxr.resample(speech, 16_000, rate, "VHQ")
    waveform, decoding = heard(encode(source, name, codec, rate=rate, sample_format=sample_format))
    assert likeness(waveform, speech) > least
    assert abs(len(waveform) - len(speech)) < 0.2 * 16_000
    assert (decoding.sample_rate, decoding.channels) == (48_000 if "opus" in codec else rate, 1)
    assert not decoding.truncated
    assert not decoding.damaged


def test_amr_from_a_phone(speech: np.ndarray) -> None:
    """From a file: not every build of FFmpeg can write it. It is the first example at 12.2 kbit/s."""
    waveform, decoding = heard(DATA / "speech.amr")
    assert likeness(waveform, speech) > 0.65
    assert (decoding.codec, decoding.sample_rate) == ("amr_nb", 8_000)


def test_lossless_at_16_khz_is_bit_exact(speech: np.ndarray, examples: list[Path]) -> None:
    waveform, decoding = heard(examples[0])
    np.testing.assert_array_equal(waveform, speech)
    assert (decoding.codec, decoding.declared) == ("flac", len(speech) / 16_000)


def test_the_sound_of_a_video(speech: np.ndarray, encode: Encode) -> None:
    for name, codec in [("x.mp4", "aac"), ("x.mov", "pcm_s16le"), ("x.mkv", "flac")]:
        kind = "fltp" if codec == "aac" else "s16"
        waveform, _ = heard(encode(speech, name, codec, sample_format=kind, video=True))
        assert likeness(waveform, speech) > 0.97


def test_channels_are_averaged(speech: np.ndarray, encode: Encode) -> None:
    for count in (2, 6):
        planes = np.stack([speech * share for share in np.linspace(0, 1, count)])
        waveform, decoding = heard(encode(planes, "x.wav", "pcm_s16le", sample_format="s16"))
        assert decoding.channels == count
        np.testing.assert_allclose(waveform, speech / 2, atol=2e-4)


def test_arrays_sound_like_the_file_they_were(speech: np.ndarray) -> None:
    pcm = np.rint(speech * 32768).astype(np.int16)
    for array in (
        pcm,
        np.stack([pcm, pcm]),
        np.stack([pcm, pcm], axis=1),
        speech.astype(np.float64),
        list(speech),
    ):
        waveform, decoding = heard((array, 16_000))
        np.testing.assert_array_equal(waveform, speech)
    assert decoding.codec is None


def test_bytes_and_streams_sound_like_the_file(speech: np.ndarray, examples: list[Path]) -> None:
    data = examples[0].read_bytes()
    for source in (data, io.BytesIO(data)):
        np.testing.assert_array_equal(heard(source)[0], speech)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("x.mp3", "libmp3lame", {}),
        ("x.m4a", "aac", {"movflags": "faststart"}),
        ("x.flac", "flac", {}),
        ("x.wav", "pcm_s16le", {}),
    ],
)
def test_what_is_left_of_a_truncated_file_is_used(
    speech: np.ndarray, encode: Encode, name: str, codec: str, options: dict[str, str]
) -> None:
    kind = "fltp" if codec in {"aac", "libmp3lame"} else "s16"
    path = cut(encode(np.tile(speech, 3), name, codec, sample_format=kind, options=options), 0.6)
    waveform, decoding = heard(path)
    assert decoding.truncated
    assert 0.4 < len(waveform) / (3 * len(speech)) < 0.75
    assert likeness(waveform[: len(speech)], speech) > 0.95


def test_too_little_left_of_a_truncated_file(speech: np.ndarray, encode: Encode) -> None:
    path = encode(speech, "x.wav", "pcm_s16le", sample_format="s16")
    path.write_bytes(path.read_bytes()[: 44 + 2 * 1_500])
    assert "less than 0.1 s" in error(path).reason


def test_an_m4a_without_its_end(speech: np.ndarray, encode: Encode) -> None:
    refused = error(cut(encode(speech, "x.m4a", "aac"), 0.6))
    assert isinstance(refused, UnreadableAudioError)
    assert "its end is missing" in refused.reason


def test_damage_in_the_middle_is_survived(speech: np.ndarray, encode: Encode) -> None:
    path = encode(np.tile(speech, 3), "x.m4a", "aac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2_000] = np.random.default_rng(0).bytes(2_000)
    path.write_bytes(data)
    waveform, decoding = heard(path)
    assert decoding.damaged
    assert len(waveform) > 2 * len(speech)


def test_a_wav_from_a_pipe_has_no_length_to_believe(speech: np.ndarray, encode: Encode) -> None:
    data = bytearray(encode(speech, "x.wav", "pcm_s16le", sample_format="s16").read_bytes())
    data[4:8] = b"\xff" * 4
    where = data.index(b"data") + 4
    data[where : where + 4] = b"\xff" * 4
    waveform, decoding = heard(bytes(data))
    assert not decoding.truncated
    assert abs(len(waveform) - len(speech)) < 1_600


def test_what_is_no_recording(tmp_path: Path, encode: Encode) -> None:
    (tmp_path / "text.wav").write_text("This is not audio, whatever its name says.\n" * 50)
    refused = error(tmp_path / "text.wav")
    assert isinstance(refused, UnreadableAudioError)
    assert str(refused).startswith("text.wav: not a recording")
    assert isinstance(error(np.random.default_rng(1).bytes(5_000)), UnreadableAudioError)


def test_a_codec_nobody_knows(speech: np.ndarray, encode: Encode) -> None:
    data = bytearray(encode(speech, "x.wav", "pcm_s16le", sample_format="s16").read_bytes())
    data[20:22] = b"\x77\x77"  # the format tag
    refused = error(bytes(data))
    assert isinstance(refused, UnreadableAudioError)
    assert "codec" in refused.reason


def test_a_rate_nobody_has_names_the_file(speech: np.ndarray, encode: Encode) -> None:
    data = bytearray(encode(speech, "x.wav", "pcm_s16le", sample_format="s16").read_bytes())
    data[24:28] = (999).to_bytes(4, "little")
    (path := Path(encode(speech, "y.wav", "pcm_s16le", sample_format="s16"))).write_bytes(data)
    assert str(error(path)).startswith("y.wav: a sample rate of 999 Hz")


def test_sound_shorter_than_its_video_is_whole(speech: np.ndarray, encode: Encode) -> None:
    path = encode(speech[:8_000], "x.mkv", "flac", sample_format="s16", video=True)  # a second of pictures
    _, decoding = heard(path)
    assert not decoding.truncated


def test_damage_now_and_then_does_not_end_it(
    speech: np.ndarray, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only packets in a row count as hopeless."""
    monkeypatch.setattr("emovox.audio.track.UNDECODABLE", 3)
    path = encode(np.tile(speech, 6), "x.m4a", "aac")
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for place in range(4_000, len(data) - 8_000, 6_000):
        data[place : place + 200] = random.bytes(200)
    path.write_bytes(data)
    waveform, decoding = heard(path)
    assert decoding.damaged
    assert len(waveform) > 5 * len(speech)


def test_video_without_sound(tmp_path: Path, encode: Encode) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    assert isinstance(error(path), NoAudioError)


def test_length_limits(encode: Encode, speech: np.ndarray) -> None:
    assert isinstance(error((np.zeros(0), 16_000)), NoAudioError)
    too_short = error((np.ones(399) / 2, 16_000))
    assert isinstance(too_short, TooShortError)
    assert too_short.reason == "too short: 24.9 ms, but at least 25 ms are needed"
    assert len(heard((np.ones(400) / 2, 16_000))[0]) == 400
    header = encode(speech, "x.wav", "pcm_s16le", sample_format="s16").read_bytes()
    header = header[: header.index(b"data")] + b"data" + bytes(4)
    assert isinstance(error(header[:4] + (len(header) - 8).to_bytes(4, "little") + header[8:]), NoAudioError)
    with (
        pytest.raises(TooLargeError, match="EMOVOX_MAX_DURATION"),
        opened((speech, 16_000), max_seconds=1) as decoding,
    ):
        next(decoding.blocks())


def test_the_length_limit_holds_where_the_header_says_nothing(encode: Encode, speech: np.ndarray) -> None:
    path = encode(np.tile(speech, 4), "x.aac", "aac")
    assert isinstance(error(path, max_seconds=2), TooLargeError)


def test_not_finite_samples_in_a_file(encode: Encode) -> None:
    samples = np.full(16_000, np.nan, np.float32)
    refused = error(encode(samples, "x.wav", "pcm_f32le", sample_format="flt"))
    assert "NaN" in refused.reason


def test_a_playlist_reaches_neither_the_network_nor_other_files(tmp_path: Path, examples: list[Path]) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for target in (f"http://127.0.0.1:{server.server_port}/x.ts", str(examples[0].absolute())):
                playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
                for name, text in [("x.m3u8", playlist), ("y.wav", f"ffconcat version 1.0\nfile '{target}'\n")]:
                    (tmp_path / name).write_text(text)
                    error(tmp_path / name)
        finally:
            server.shutdown()
    assert asked == []


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize(("late", "pause"), [(0.0, 0.0), (2.0, 0.0), (0.0, 1.5)])
def test_sound_keeps_its_place_in_a_video(
    tmp_path: Path, speech: np.ndarray, name: str, late: float, pause: float
) -> None:
    """Sound that begins after the picture, or pauses, as recordings of screens and phones have it."""
    rate, path = 16_000, tmp_path / name
    half = len(speech) // 2 // 1024 * 1024
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout="mono")
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for start in range(0, len(speech) - 1024, 1024):
            piece = np.ascontiguousarray(speech[np.newaxis, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(rate * (late + (pause if start >= half else 0)))
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    waveform, decoding = heard(path)
    assert not decoding.truncated
    expected = np.concatenate(
        [
            np.zeros(round(late * rate), np.float32),
            speech[:half],
            np.zeros(round(pause * rate), np.float32),
            speech[half:],
        ]
    )
    assert len(waveform) / rate == pytest.approx(len(expected) / rate, abs=0.2)
    lag = np.argmax(np.correlate(np.abs(expected), np.abs(waveform)[: len(expected)], "same"))
    assert abs(int(lag) - len(expected) // 2) < 0.15 * rate


def test_a_time_beyond_the_end_is_damage(tmp_path: Path, speech: np.ndarray) -> None:
    """A jump of hours must not become hours of silence."""
    source = io.BytesIO()
    with av.open(source, "w", format="mpegts") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, len(speech) - 1024, 1024):
            piece = np.ascontiguousarray(speech[np.newaxis, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), start
            for packet in sound.encode(frame):
                container.mux(packet)
        container.mux(sound.encode(None))
    waveform, _ = heard(source.getvalue())
    assert len(waveform) / 16_000 == pytest.approx(len(speech) / 16_000, abs=0.3)


def test_not_finite_samples_in_another_channel_do_not_matter() -> None:
    stereo = np.zeros((16_000, 2), np.float32)
    stereo[100, 1] = np.nan
    with opened((stereo, 16_000)) as both, pytest.raises(UnreadableAudioError, match="NaN"):
        list(both.blocks())
    recording = open_recording((stereo, 16_000), max_bytes=1 << 20)
    with recording as held, decode(held, max_seconds=10, channel=1) as one:
        assert sum(map(len, one.blocks())) == 16_000
