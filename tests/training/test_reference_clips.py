"""The labelled clips that come with the program: which they are, and that encoding keeps them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.waveform import SAMPLE_RATE
from emovox.models.reference import CLIPS
from training import reference_clips
from training.corpus import Clip, read_waveform
from training.reference_clips import EACH, encode


def test_an_encoded_waveform_sounds_as_before_and_where_it_was(tmp_path: Path, speech: np.ndarray) -> None:
    encode(speech, tmp_path / "x.opus")
    again = read_waveform(tmp_path / "x.opus")
    assert abs(len(again) - len(speech)) <= SAMPLE_RATE // 50
    size = min(len(again), len(speech))
    assert np.corrcoef(again[:size], speech[:size])[0, 1] > 0.8
    assert (tmp_path / "x.opus").stat().st_size < 2 * len(speech) / 4


def test_two_of_each_class_and_speaker_but_no_boredom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["sad"] * 3 + ["neutral"] + ["other"] * 2
    clips = [
        Clip(f"{speaker}{number}.wav", label, speaker, "emodb")
        for speaker in ("a", "b")
        for number, label in enumerate(labels)
    ]
    monkeypatch.setattr(reference_clips, "read_corpus", lambda *_: clips)
    monkeypatch.setattr(reference_clips, "read_waveform", lambda _: np.zeros(SAMPLE_RATE, np.float32))
    monkeypatch.setattr(
        "sys.argv", ["reference_clips", "--corpora", str(tmp_path), "--out", str(tmp_path / "out")]
    )
    reference_clips.main()
    with (tmp_path / "out" / "labels.tsv").open(newline="", encoding="utf-8") as table:
        rows = [(row["label"], row["speaker"]) for row in csv.DictReader(table, delimiter="\t")]
    each = [("neutral", 1), ("sad", EACH)]
    assert sorted(rows) == sorted((label, who) for label, count in each for who in "ab" for _ in range(count))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert len(written) == len(rows) + 1


def test_those_that_come_with_the_program_were_chosen_so() -> None:
    with (CLIPS / "labels.tsv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    groups = [(row["label"], row["speaker"]) for row in rows]
    assert max(map(groups.count, groups)) == EACH
    assert "other" not in {label for label, _ in groups}
    assert {path.name for path in CLIPS.glob("*.opus")} == {row["path"] for row in rows}
