"""Each family through each entry: whatever a model is made of, the rest of the program asks it the same things."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import EmovoxError
from emovox.inference.live import LiveUpdate
from emovox.inference.recognizer import Recognizer
from emovox.models.families import FAMILIES, family_of, read_snapshot
from support import (
    odyssey_snapshots,
    sensevoice_snapshots,
    snapshots,
    speechbrain_snapshots,
    voxprofile_snapshots,
    wav2vec2_snapshots,
    whisper_snapshots,
)
from support.inference import Floats

Run = Callable[..., tuple[int, str, str]]

VOX = voxprofile_snapshots.tiny(pretrain_model="whisper_base")
MODELS: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    "emotion2vec": (snapshots.write, {}),
    "wav2vec2": (wav2vec2_snapshots.write, {}),
    "wavlm": (lambda path: wav2vec2_snapshots.write(path, wav2vec2_snapshots.tiny({"model_type": "wavlm"})), {}),
    "data2vec": (
        lambda path: wav2vec2_snapshots.write(
            path, wav2vec2_snapshots.tiny({"model_type": "data2vec-audio", "num_conv_pos_embeddings": 2})
        ),
        {},
    ),
    "conformer": (
        lambda path: wav2vec2_snapshots.write(path, wav2vec2_snapshots.tiny({"model_type": "wav2vec2-conformer"})),
        {},
    ),
    "odyssey": (
        lambda path: odyssey_snapshots.write(path, odyssey_snapshots.tiny(odyssey_snapshots.EIGHT)),
        {"Surprise": "surprised", "Fear": "fearful", "Disgust": "disgusted", "Contempt": "other"}
        | {name: name.lower() for name in ("Angry", "Sad", "Happy", "Neutral")},
    ),
    "whisper": (whisper_snapshots.write, {}),
    "speechbrain": (speechbrain_snapshots.write, wav2vec2_snapshots.MEANINGS),
    "sensevoice": (sensevoice_snapshots.write, {}),
    "voxprofile": (lambda path: voxprofile_snapshots.write(path, VOX), voxprofile_snapshots.MEANINGS),
}


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The options of a command that name a tiny model of a family, and which of the nine its labels are."""
    write, meanings = MODELS[request.param]
    options = ["--model", str(write(tmp_path / "snapshot")), "--precision", "fp32"]
    if meanings:
        (tmp_path / "map.json").write_text(json.dumps(meanings), encoding="utf-8")
        options += ["--map", str(tmp_path / "map.json")]
    return options


def test_no_family_is_left_out(tmp_path: Path) -> None:
    families = {family_of(read_snapshot(write(tmp_path / name))).title for name, (write, _) in MODELS.items()}
    assert families == {family.title for family in FAMILIES.values()}


def test_each_family_through_the_library(model: list[str], tmp_path: Path, speech: Floats) -> None:
    mapping = json.loads((tmp_path / "map.json").read_text(encoding="utf-8")) if "--map" in model else None
    recognizer = Recognizer(model[1], precision="fp32", mapping=mapping)
    short, whole = (
        recognizer.recognize((waveform, SAMPLE_RATE), segments=True, granularity="frame", embedding=True)
        for waveform in (speech, long_of(speech, 45))
    )
    for recognition, seconds in ((short, len(speech) / SAMPLE_RATE), (whole, 45)):
        assert recognition.emotion in recognizer.classes(None)
        assert total(recognition.scores) == pytest.approx(1, abs=1e-6)
        assert recognition.frames is not None
        assert abs(len(recognition.frames) - seconds / recognition.frames.hop) < 3
        assert recognition.segments
        for segment in recognition.segments:
            assert total(segment.scores) == pytest.approx(1, abs=1e-6)
    first, second = recognizer.recognize_many([(speech, SAMPLE_RATE), (speech[:9000], SAMPLE_RATE)])
    assert not isinstance(first, EmovoxError)
    assert not isinstance(second, EmovoxError)
    assert first.scores == pytest.approx(short.scores, abs=1e-5)
    live = recognizer.live()
    events = [*live.push(long_of(speech, 6)), *live.finish()]
    updates = [event for event in events if isinstance(event, LiveUpdate) and event.emotion is not None]
    assert len(updates) > 5


def long_of(speech: Floats, seconds: int) -> Floats:
    """Speech with pauses, so long."""
    piece = np.concatenate([speech, np.zeros(SAMPLE_RATE, np.float32)])
    return np.tile(piece, seconds * SAMPLE_RATE // len(piece) + 1)[: seconds * SAMPLE_RATE]


def total(scores: Mapping[str, float] | None) -> float:
    assert scores is not None
    return sum(scores.values())


def test_each_family_through_heads_baselines_and_the_archive(
    model: list[str], run: Run, examples: list[Path], tmp_path: Path
) -> None:
    clips = [str(path) for path in examples]
    labels = tmp_path / "labels.csv"
    rows = [f"{path},{'odd' if index % 2 else 'even'}" for index, path in enumerate(clips)]
    labels.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    for arguments in (
        ["head", "train", labels, "--name", "numbers", "--method", "prototypes", *model],
        ["baseline", "fit", *clips, "--name", "line", *model],
    ):
        code, _, err = run(*arguments)
        assert code == 0, err
    options = ["--archive", "--format", "json", "--quiet", *model]
    [readout, *_] = Recognizer(model[1], precision="fp32").metadata.readouts
    relative = ["--baseline", "line"] if readout.kind == "linear" else []
    if not relative:  # only what is linear in embeddings can be moved by them
        code, _, err = run("recognize", clips[0], "--baseline", "line", "--no-save", *model)
        assert (code, "aren't linear in its embeddings" in err) == (1, True)
    code, out, err = run("recognize", *clips[:3], "--head", "numbers", "--segments", *relative, *options)
    assert code == 0, err
    for result in json.loads(out):
        assert result["emotion"]
        assert result["readouts"]["numbers"]["label"] in ("odd", "even")
        assert bool(result.get("baseline")) == bool(relative)
    code, out, err = run("similar", clips[0], "--k", 3, "--format", "json", *model)
    assert code == 0, err
    assert json.loads(out)


@pytest.mark.slow
def test_each_family_through_batches(model: list[str], run: Run, examples: list[Path], tmp_path: Path) -> None:
    code, _, err = run(
        "batch", examples[0].parent, "--out", tmp_path / "out", "--workers", 1, "--segments", *model
    )
    assert code == 0, err
    table: Any = parquet.read_table(tmp_path / "out" / "recognitions")
    assert table.num_rows == len([*examples[0].parent.rglob("*.flac")])
    assert all(table.column("emotion").to_pylist())
