import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.waveform import Resampler, check_rate, to_channels_last, to_float, to_own_scale
from emovox.errors import UnreadableAudioError


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64"])
def test_signed_integers_span_full_scale(kind: str) -> None:
    info = np.iinfo(kind)
    scaled = to_float(np.array([info.min, 0, info.max // 2 + 1, info.max], dtype=kind))
    assert scaled.dtype == np.float32
    assert scaled[:3].tolist() == [-1.0, 0.0, 0.5]
    assert 0.99 < scaled[3] <= 1.0


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32"])
def test_unsigned_integers_are_centred(kind: str) -> None:
    middle = np.iinfo(kind).max // 2 + 1
    assert to_float(np.array([0, middle, middle + middle // 2], dtype=kind)).tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_keep_their_values(kind: str) -> None:
    assert to_float(np.array([-1.5, 0.25], dtype=kind)).tolist() == [-1.5, 0.25]


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf, 0.0]])
def test_not_finite_is_refused(bad: list[float]) -> None:
    with pytest.raises(UnreadableAudioError, match="NaN or infinity"):
        to_float(np.array(bad))


def test_bytes_that_are_no_floats_are_refused_without_a_warning() -> None:
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)  # a NaN that a division would warn of
    with pytest.raises(UnreadableAudioError, match="NaN or infinity"):
        to_float(signalling)


@pytest.mark.parametrize("loud", [2e6, -1e38, 1e300])
def test_what_would_overflow_is_refused(loud: float) -> None:
    with pytest.raises(UnreadableAudioError, match="beyond full scale"):
        to_float(np.array([0.0, loud]))


@pytest.mark.parametrize(
    "bad", [np.array(["a"]), np.array([1j]), np.array([True]), np.array([None]), np.array(["2024"], "M8[D]")]
)
def test_what_is_no_sound_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(UnreadableAudioError, match="not sound"):
        to_channels_last(bad)


def test_channels_are_the_smaller_dimension() -> None:
    assert to_channels_last(np.zeros(5)).shape == (5, 1)
    assert to_channels_last(np.zeros((100, 2))).shape == (100, 2)
    assert to_channels_last(np.zeros((2, 100))).shape == (100, 2)
    assert to_channels_last(np.zeros((0, 2))).shape == to_channels_last(np.zeros((2, 0))).shape == (0, 1)
    for shape in [(), (2, 3, 4), (100, 100)]:
        with pytest.raises(UnreadableAudioError, match="not a recording"):
            to_channels_last(np.zeros(shape))


@pytest.mark.parametrize("rate", [0, -16_000, 999, 10**9, float("nan"), float("inf"), "16000", None, 1j])
def test_impossible_rates_are_refused(rate: object) -> None:
    with pytest.raises(UnreadableAudioError, match="sample rate"):
        check_rate(rate)


@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000]),
    cuts=st.lists(st.integers(0, 6_000), max_size=6),
)
def test_resampling_does_not_depend_on_how_the_stream_was_cut(rate: int, cuts: list[int]) -> None:
    signal = np.random.default_rng(0).standard_normal(6_000).astype(np.float32)
    whole = Resampler(rate).push(signal, last=True)
    resampler = Resampler(rate)
    edges = [0, *sorted(cuts), len(signal)]
    pieces = [
        resampler.push(signal[start:end], last=end == len(signal) and number == len(edges) - 2)
        for number, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert abs(len(whole) - len(signal) * 16_000 / rate) <= 1


def test_a_tone_keeps_its_pitch_and_what_16_khz_cannot_hold_is_filtered_out() -> None:
    time = np.arange(44_100) / 44_100
    tones = np.sin(2 * np.pi * 1_000 * time) + np.sin(2 * np.pi * 10_000 * time)
    spectrum = np.abs(np.fft.rfft(Resampler(44_100).push(tones.astype(np.float32), last=True)))
    assert spectrum.argmax() == 1_000
    assert spectrum[5_900:6_100].max() < 1e-3 * spectrum.max()  # 10 kHz would fold to 6 kHz


@pytest.mark.parametrize("kind", [list, np.int64, np.int16, np.float16, np.float64])
def test_numbers_have_the_scale_that_was_counted_with(kind: type) -> None:
    pcm = np.round(30_000 * np.sin(np.arange(1_000) / 5)).astype(int)
    samples = pcm / 32768 if np.dtype(kind if kind is not list else int).kind == "f" else pcm
    scaled = to_float(to_own_scale(np.asarray(samples.tolist() if kind is list else samples.astype(kind))))
    np.testing.assert_allclose(scaled, pcm / 32768, atol=3e-4)


def test_the_loudest_of_16_bits_is_one_more_than_fits() -> None:
    assert to_float(to_own_scale(np.array([-32_768, 0, 32_768]))).tolist() == pytest.approx([-1, 0, 1], abs=1e-4)


@pytest.mark.parametrize("kind", [np.int32, np.int64, ">i4"])
@pytest.mark.parametrize("bits", [24, 32])
def test_24_bits_in_32_are_24_bits(kind: str, bits: int) -> None:
    wave = np.sin(np.arange(1_000) / 5) * 0.4
    samples = np.round(wave * 2 ** (bits - 1)).astype(kind)
    np.testing.assert_allclose(to_float(to_own_scale(samples)), wave, atol=1e-6)
    in_the_upper_part = np.round(wave * 2**23).astype(np.int32) << 8
    np.testing.assert_allclose(to_float(to_own_scale(in_the_upper_part)), wave, atol=1e-6)


def test_64_bits_may_be_64_bits() -> None:
    samples = np.array([0, 2**62, -(2**63)])
    assert to_float(to_own_scale(samples)).tolist() == [0, 0.5, -1]


def test_silence_has_no_scale() -> None:
    for kind in ("int32", "int64", "uint64", "float32", "int16"):
        assert not to_float(to_own_scale(np.zeros(9, kind)) if kind != "uint64" else np.full(9, 2**63, kind)).any()
    assert to_own_scale(np.zeros((0, 1))).size == 0


@pytest.mark.parametrize(
    "samples",
    [
        np.array([1, -20_000, 300], np.int32),
        np.array([0, 40_000, 300], np.uint32),
        np.array([0, 40_000, 300], np.uint64),
        np.array([0.0, -23_011.0]),
        np.array([0.0, 32_767.0], np.float32),
    ],
)
def test_a_scale_that_cannot_be_told_is_asked_for(samples: np.ndarray) -> None:
    with pytest.raises(UnreadableAudioError, match=r"16-bit"):
        to_own_scale(samples)


def test_floats_may_be_overdriven_and_hold_nothing_finite() -> None:
    """What comes of it is said where they are used."""
    for samples in (np.array([3.5, -2.0]), np.array([np.nan, 1.0]), np.array([np.inf, 0.0]), np.array([1e300])):
        assert to_own_scale(samples) is samples
