"""Worse copies of a recording are still that recording."""

import numpy as np
import pytest

from emovox.audio.waveform import Waveform

pytest.importorskip("scipy")

from training import augment

SURROUNDINGS = augment.Surroundings(augment.synthetic_rooms(3, 0), [])


def voice(size: int) -> Waveform:
    time = np.arange(size) / 16_000
    return (0.1 * np.sin(2 * np.pi * 440 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)


@pytest.mark.parametrize("name", ["noise", "telephone", "reverb"])
@pytest.mark.parametrize("size", [801, 16_000])
def test_conditions_keep_length_and_are_the_same_again(name: augment.Condition, size: int) -> None:
    waveform = voice(size)
    one, other = (augment.condition(name, waveform, np.random.default_rng(7), SURROUNDINGS) for _ in range(2))
    assert one.dtype == np.float32
    assert len(one) == size
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, other)
    assert not np.allclose(one, waveform, atol=1e-3)


@pytest.mark.parametrize("ratio", [0.0, 10.0, 30.0])
def test_noise_is_as_loud_as_asked(ratio: float) -> None:
    waveform = voice(32_000)
    noise = augment.with_noise(waveform, ratio, np.random.default_rng(1), SURROUNDINGS) - waveform
    power = np.mean(np.square(waveform)) / np.mean(np.square(noise))
    assert 10 * np.log10(power) == pytest.approx(ratio, abs=0.1)


def test_a_telephone_passes_its_band_only() -> None:
    time = np.arange(16_000) / 16_000
    low, middle = (np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (60, 1000))
    for seed in range(6):  # every codec
        line = augment.telephone(0.5 * (low + middle), np.random.default_rng(seed))
        spectrum = np.abs(np.fft.rfft(line))
        assert spectrum[1000] > 30 * spectrum[60]


def test_degraded_copies_are_finite_and_differ() -> None:
    waveform = voice(16_000)
    copies = [augment.degrade(waveform, np.random.default_rng(seed), SURROUNDINGS) for seed in range(20)]
    for copy in copies:
        assert copy.dtype == np.float32
        assert np.isfinite(copy).all()
    assert len({copy.tobytes() for copy in copies}) == 20


def test_another_voice_is_higher_and_shorter_or_lower_and_longer() -> None:
    time = np.arange(16_000) / 16_000
    waveform = np.sin(2 * np.pi * 400 * time).astype(np.float32)
    speeds = []
    for seed in range(20):
        other = augment.voiced(waveform, np.random.default_rng(seed))
        speed = len(waveform) / len(other)
        pitch = np.abs(np.fft.rfft(other)).argmax() * 16_000 / len(other)
        assert pitch == pytest.approx(400 * speed, rel=0.01)
        speeds.append(speed)
    assert 0.79 < min(speeds) < 0.9
    assert 1.1 < max(speeds) < 1.26
