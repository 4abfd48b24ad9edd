from pathlib import Path
from typing import Any

import pytest
import yaml

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.sensevoice.snapshot import EMOTIONS, EVENTS, READOUTS, is_snapshot, read_snapshot
from support import sensevoice_snapshots as snapshots
from support.sensevoice_snapshots import configure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the published settings, with something in the place of its weights."""
    (tmp_path / "model.pt").write_bytes(b"weights")
    return snapshots.describe(tmp_path, configure())


def test_the_published_settings_are_read(folder: Path) -> None:
    assert is_snapshot(folder)
    snapshot = read_snapshot(folder)
    config, frontend = snapshot.encoder, snapshot.frontend
    assert (config.output_size, config.num_blocks, config.tp_blocks, config.past) == (512, 50, 20, 5)
    assert (frontend.width, frontend.lfr_m, frontend.lfr_n) == (560, 7, 6)
    assert (snapshot.grid.hop, snapshot.grid.minimum_samples, snapshot.grid.first_centre) == (960, 400, 200)
    assert (snapshot.embedding_size, snapshot.cmvn.shape) == (512, (2, 560))


def test_its_tokens_are_the_nine_and_sounds() -> None:
    emotion, event = READOUTS
    assert set(emotion.emotions.values()) == set(NAMES)
    assert emotion.gives_emotions
    assert (emotion.labels[0], emotion.labels[-1]) == ("HAPPY", "EMO_UNKNOWN")
    assert event.labels[:4] == ("Speech", "BGM", "Laughter", "Applause")
    assert not event.emotions
    numbers = [token.number for token in (*EMOTIONS, *EVENTS)]
    assert len(set(numbers)) == len(numbers)


def test_the_numbers_are_those_of_the_authors_class() -> None:
    pytest.importorskip("funasr")
    from support.sensevoice_model import build  # noqa: PLC0415

    known = build(snapshots.tiny(), vocabulary=50).emo_dict
    assert {name: known[name] for name in ("happy", "sad", "angry", "neutral")} == {
        token.emotion: token.number for token in EMOTIONS if token.emotion in known
    }
    assert known["unk"] == EMOTIONS[-1].number


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("encoder_conf", "output_size", 0),
        ("encoder_conf", "output_size", 10**9),
        ("encoder_conf", "output_size", 510),
        ("encoder_conf", "attention_heads", 7),
        ("encoder_conf", "linear_units", "many"),
        ("encoder_conf", "num_blocks", 0),
        ("encoder_conf", "num_blocks", 10**6),
        ("encoder_conf", "tp_blocks", -1),
        ("encoder_conf", "kernel_size", 10**6),
        ("encoder_conf", "sanm_shfit", 6),
        ("frontend_conf", "fs", 8000),
        ("frontend_conf", "window", "povey"),
        ("frontend_conf", "n_mels", 10**6),
        ("frontend_conf", "n_mels", 81),
        ("frontend_conf", "frame_length", 20),
        ("frontend_conf", "lfr_m", 5),
        ("frontend_conf", "lfr_n", 0),
        ("frontend_conf", "snip_edges", False),
    ],
)
def test_settings_out_of_range_are_refused(folder: Path, part: str, key: str, value: Any) -> None:
    config = configure()
    config[part][key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"config\.yaml: {part}") as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoder", "SenseVoiceEncoderLarge"),
        ("frontend", "WavFrontendOnline"),
        ("normalize", "GlobalCMVN"),
    ],
)
def test_other_parts_are_refused(folder: Path, key: str, value: str) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(configure() | {key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"config\.yaml: {key} is"):
        read_snapshot(folder)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no numbers after <AddShift>"),
        (b"\xff\xfe", "UTF-8"),
        (b"#" * 300_000, "over 200 kB"),
        (b"<AddShift> 560 560\n<Rescale> 560 560\n", "no numbers after <AddShift>"),
        (b"<AddShift> 2 2\n<LearnRateCoef> 0 [ 1 2 ]\n<Rescale> 2 2\n<LearnRateCoef> 0 [ 1 2 ]\n", "560 finite"),
        (b"<AddShift>\n<LearnRateCoef> 0 [ 1 x ]\n", "no numbers after <AddShift>"),
        (b"<AddShift>\n<LearnRateCoef> 0 [ " + b"nan " * 560 + b"]\n", "560 finite"),
        (b"<AddShift>\n<LearnRateCoef> 0 [ " + b"1e300 " * 560 + b"]\n", "560 finite"),
        (b"<AddShift>\n<LearnRateCoef> 0 [ " + b"-9 " * 560 + b"]\n", "no numbers after <Rescale>"),
    ],
)
def test_other_shifts_and_scales_are_refused(folder: Path, content: bytes, says: str) -> None:
    (folder / "am.mvn").write_bytes(content)
    with pytest.raises(ModelError, match=says) as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_files_that_are_missing_are_named(folder: Path) -> None:
    (folder / "am.mvn").unlink()
    with pytest.raises(ModelError, match=r"am\.mvn can't be read"):
        read_snapshot(folder)
    (folder / "model.pt").unlink()
    with pytest.raises(ModelError, match=r"no model\.pt"):
        read_snapshot(folder)


def test_other_kinds_are_not_of_this_family(folder: Path) -> None:
    for content in ("model: Emotion2vec\n", "model: [", "- 1\n"):
        (folder / "config.yaml").write_text(content, encoding="utf-8")
        assert not is_snapshot(folder)
    (folder / "config.yaml").unlink()
    assert not is_snapshot(folder)
