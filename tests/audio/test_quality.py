import numpy as np

from emovox.audio.quality import WARNINGS, Level


def warnings(samples: np.ndarray, length: int = 16_000) -> list[str]:
    level = Level()
    for block in np.array_split(samples.astype(np.float32), 3):
        level.add(block[:, np.newaxis], block)
    return level.warnings(length)


TONE = np.sin(np.arange(16_000) / 10)


def test_good_speech_gives_no_warning(speech: np.ndarray) -> None:
    assert warnings(speech) == []
    assert warnings(TONE * 0.5) == []


def test_normalised_to_full_scale_is_not_clipped(speech: np.ndarray) -> None:
    assert warnings(speech / np.abs(speech).max()) == []


def test_overdriven_speech_is_clipped(speech: np.ndarray) -> None:
    assert warnings(np.clip(10 * speech / np.abs(speech).max(), -1, 1)) == ["clipped"]


def test_level_and_length() -> None:
    assert warnings(TONE * 0.009) == ["quiet"]
    assert warnings(TONE * 0.5, length=15_999) == ["short"]
    assert warnings(np.zeros(10)) == ["silence"]
    assert warnings(np.full(10, -(2.0**-15))) == ["silence"]
    assert warnings(np.full(10, 2.0**-14)) == ["quiet"]
    assert warnings(np.empty(0)) == ["silence"]


def test_codes_come_in_their_published_order() -> None:
    found = warnings(np.clip(TONE * 5, -1, 1), length=10)
    assert found == [code for code in WARNINGS if code in found] == ["clipped", "short"]


def test_channels_that_cancel_are_silence_to_the_model() -> None:
    level = Level()
    level.add((np.stack([TONE, -TONE], axis=1) / 2).astype(np.float32), np.zeros(len(TONE), np.float32))
    assert level.warnings(16_000) == ["silence"]


def test_one_clipped_channel_is_enough() -> None:
    level = Level()
    channels = np.stack([np.clip(TONE * 5, -1, 1), TONE * 0.1], axis=1).astype(np.float32)
    level.add(channels, channels.mean(axis=1))
    assert level.warnings(16_000) == ["clipped"]
