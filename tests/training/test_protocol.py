"""What is left out is left out whole, settings are chosen by half of it, and figures count what they say."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from emovox.emotions import NAMES
from training import left_out
from training.corpus import EVERYDAY, LEFT_OUT, MEASURED, Clip
from training.left_out import ALWAYS_OUT, PICOVOICE, TURNS, Unheard, Voices, draw
from training.protocol import figures, summary

LABELS = ("angry", "happy", "neutral", "sad")


def test_every_corpus_and_set_is_left_out_once_and_what_chooses_does_not_report() -> None:
    assert sorted(turn.corpus for turn in TURNS) == sorted(LEFT_OUT)
    sets = {name for turn in TURNS for name in turn.sets}
    assert sets | set(ALWAYS_OUT) == {corpus.name for corpus in (*EVERYDAY, *MEASURED)}
    assert not {name for t in TURNS if t.chooses for name in t.sets} & {
        n for t in TURNS if not t.chooses for n in t.sets
    }
    assert all(set(PICOVOICE) <= set(turn.sets) for turn in TURNS if set(PICOVOICE) & set(turn.sets))


def unheard(corpus: str, sets: tuple[str, ...], *, line: float) -> Unheard:
    """A network that knows all labels but for a constant that the line adds to anger."""
    rng = np.random.default_rng(0)
    size = len(NAMES)

    def voices(name: str, labels: list[str]) -> Voices:
        rows = np.array([np.eye(size)[NAMES.index(label)] for label in labels]) * 2 + rng.normal(
            0, 0.2, (len(labels), size)
        )
        rows[:, NAMES.index("angry")] += line
        return Voices(name, rows.astype(np.float32), np.array(labels), np.array(["a", "b"] * (len(labels) // 2)))

    heard = {(corpus, 0.0): voices(corpus, list(LABELS) * 40)}
    heard |= {(name, 0.0): voices(name, ["neutral"] * 80) for name in (*sets, *ALWAYS_OUT)}
    clips = [Clip(f"{label}-{take}", label, "x", "ravdess") for label in LABELS for take in range(3)]
    known = {clip.path: (np.eye(size)[NAMES.index(clip.label)] * 2).astype(np.float32) for clip in clips}
    metadata = left_out._metadata({"ravdess": clips}, {"ravdess": known}, size)
    eye, nothing = np.eye(size, dtype=np.float32), np.zeros(size, np.float32)
    return Unheard(TURNS[0], heard, eye, nothing, nothing, metadata)


def test_a_baseline_takes_away_what_the_line_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.protocol.shared", lambda *_: list(LABELS))
    monkeypatch.setattr("training.protocol.DRAWS", 4)
    turn = TURNS[0]
    table = figures([unheard(turn.corpus, turn.sets, line=3)], 0, 0)
    own = table["corpora"][turn.corpus]
    assert own["none"]["unweighted"] == pytest.approx(0.25, abs=0.02)
    assert own["none"]["over"] > 0.2
    assert own["corpus 0.50"]["unweighted"] > 0.9
    assert table["sets"]["fsdd"]["none"]["angry"] > 0.9
    assert set(summary(table)) == {"chooses"}


def test_a_constant_is_neutrals_alone() -> None:
    one = unheard("emodb", (), line=0)
    voices = one.heard["emodb", 0.0]
    moved = one.logits(voices, 1.5) - one.logits(voices, 0)
    np.testing.assert_allclose(moved, 1.5 * np.tile(np.array(NAMES) == "neutral", (len(moved), 1)), atol=1e-6)
    chosen = draw(voices, LABELS, 0.5, 20, 0)
    assert len(set(chosen)) == 20
    assert (voices.labels[chosen] == "neutral").sum() == 10
    relative = one.relative(voices, chosen, True, 0)
    assert np.isnan(relative[chosen]).all()
    assert np.isfinite(np.delete(relative, chosen, axis=0)).all()
