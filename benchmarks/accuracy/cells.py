"""A cell of the table: one model on one corpus, with and without a baseline."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from benchmarks.accuracy.corpora import Corpus
from emovox.errors import BaselineError, EmovoxError
from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import Evaluation, evaluate
from emovox.inference.options import Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.state import RunState
from emovox.labels.label_list import check_exists

Cell = dict[str, Any]
Relative = Literal["corpus", "speaker"]
SEEN, UNSEEN, UNSTATED = "yes", "no", "not stated"


class Remembering:
    """A recognizer that infers each recording once, whatever it is to be relative to.

    `evaluate` asks again for each baseline, and only the end of a run depends on that.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        """Begin with nothing remembered."""
        self._recognizer = recognizer
        self._memory: dict[Path, tuple[Recognition | EmovoxError, list[RunState]]] = {}
        self.seconds = 0.0
        """Of sound that was inferred."""
        self.spent = 0.0
        """Seconds of processor time that it took, from the file to the verdict."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recognizer, name)

    def expect(self, path: Path) -> None:
        """As `Recognizer.expect`."""
        if path not in self._memory:
            self._recognizer.expect(path)

    def recognize_together(self, requests: Sequence[Request]) -> list[Recognition | EmovoxError]:
        """As `Recognizer.recognize_together`."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Recognition | EmovoxError:
        path = cast("Path", request.recording)
        if path not in self._memory:
            states: list[RunState] = []
            sink = None if request.state_sink is None else states.append
            started = time.process_time()
            [result] = self._recognizer.recognize_together([replace(request, state_sink=sink)])
            self.spent += time.process_time() - started
            if isinstance(result, Recognition):
                self.seconds += result.recording.duration
            self._memory[path] = result, states
        result, states = self._memory[path]
        if request.state_sink is not None:
            for state in states:
                request.state_sink(state)
        return result


def measure(corpus: Corpus, recognizer: Recognizer, begin: Callable[[str], None] = lambda _: None) -> Cell:
    """One model on one corpus.

    A corpus of one class is compared with all that the model knows, and without a baseline: that takes what it is
    made of for a mixture of emotions.

    Args:
        corpus: what is measured.
        recognizer: the model.
        begin: is told of each recording before its turn.

    Raises:
        EmovoxError: recordings are missing, or the model can't be compared with these labels.
    """
    check_exists(corpus.rows, Path(corpus.name))
    remembering = Remembering(recognizer)
    evaluations = _evaluations(corpus, remembering, begin)
    plain = evaluations["none"]
    metadata = recognizer.metadata
    cell: Cell = {
        "corpus": corpus.name,
        "model": recognizer.model.model_dump(mode="json"),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "digest": corpus.digest,
        "of": corpus.size,
        "unknown_speakers": corpus.unknown_speakers,
        "seed": corpus.seed,
        "seen": seen(plain, metadata.corpora),
        "clips": plain.measures.clips,
        "speakers": corpus.speakers,
        "classes": list(plain.measures.classes),
        "left_out": dict(plain.left_out),
        "not_recognised": [{"path": name, "reason": reason} for name, reason in plain.failures],
        "drawn_by": plain.drawn_by,
        "doubts": doubts(plain),
        "folds": [asdict(folds) for folds in plain.folds],
        "milliseconds": round(1000 * remembering.spent / remembering.seconds, 1) if remembering.seconds else None,
    }
    if corpus.classes == 1:
        return cell | {"taken_for": taken_for(plain), "interval": list(plain.intervals["unweighted"])}
    return cell | {"figures": {name: figures(evaluation) for name, evaluation in evaluations.items()}}


def _evaluations(corpus: Corpus, remembering: Remembering, begin: Callable[[str], None]) -> dict[str, Evaluation]:
    recognizer = cast("Recognizer", remembering)

    def evaluated(baseline: Relative | None) -> Evaluation:
        return evaluate(
            corpus.rows,
            recognizer,
            source=Path(corpus.name),
            competing="all" if corpus.classes == 1 else "shared",
            begin=begin if baseline != "speaker" else lambda _: None,
            baseline=baseline,
        )

    if corpus.classes == 1:
        return {"none": evaluated(None)}
    try:
        whole = evaluated("corpus")
    except BaselineError:  # the model has nothing that a baseline moves
        return {"none": evaluated(None)}
    assert whole.without is not None  # noqa: S101  a baseline was given
    evaluations = {"none": whole.without, "corpus": whole}
    if (corpus.speakers or 0) > 1:
        evaluations["speaker"] = evaluated("speaker")
    return evaluations


def seen(evaluation: Evaluation, corpora: Sequence[str]) -> str:
    """Whether the model was trained on what it is measured on, as far as it says what it was trained on."""
    if evaluation.trained_corpora:
        return SEEN
    return UNSEEN if corpora else UNSTATED


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """Unweighted recall with its interval, and each class's."""
    facts = evaluation.measures.to_dict()
    figures = {
        "unweighted": facts["unweighted"],
        "interval": list(evaluation.intervals["unweighted"]),
        "weighted": facts["weighted"],
        "recalls": facts["recalls"],
        "calibration_error": facts["calibration_error"],
    }
    folds = evaluation.groups.get("fold")
    if folds:
        figures["mean_of_folds"] = round(float(np.mean([fold.unweighted for fold in folds.values()])), 4)
    return figures


def taken_for(evaluation: Evaluation) -> dict[str, float]:
    """What share of recordings of one class is taken for each emotion, the most frequent first."""
    counts = evaluation.measures.confusion.sum(axis=0)
    shares = {
        name: round(int(count) / evaluation.measures.clips, 4)
        for name, count in zip(evaluation.names, counts, strict=True)
        if count
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
