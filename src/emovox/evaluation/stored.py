"""An evaluation of what was recognised before: of the nine scores that the archive keeps, without a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emovox.emotions import NAMES
from emovox.errors import LabelsError
from emovox.evaluation.evaluation import Competing, Evaluation, compared, who_competes
from emovox.inference.recognition import ModelFacts
from emovox.labels.aliases import to_classes
from emovox.labels.folds import find_folds
from emovox.labels.label_list import Labelled
from emovox.labels.trained_on import trained_corpora
from emovox.models.scores import to_scores


def evaluate_stored(
    rows: Sequence[Labelled],
    scores: Sequence[Mapping[str, float]],
    model: ModelFacts,
    *,
    source: Path,
    labels_map: Mapping[str, str] | None = None,
    competing: Competing = "shared",
    group: str | None = None,
    corpora: Sequence[str] = (),
) -> Evaluation:
    """Compare scores with labels, as `evaluate` does.

    Args:
        rows: recordings with their labels.
        scores: of each the nine, without a baseline. A class that scores nothing in any is none of the model's.
        model: that gave them.
        source: the list, for messages.
        labels_map: as of `evaluate`, and so are `competing` and `group`.
        competing: likewise.
        group: likewise.
        corpora: that the model says it was trained on.

    Raises:
        LabelsError: a label means no class, or there is nothing to compare.
    """
    if not rows:
        raise LabelsError(f"{source}: none of its recordings is stored with scores of the nine emotions")
    table = np.array([[one.get(name, 0.0) for name in NAMES] for one in scores])
    known = [name for name, most in zip(NAMES, table.max(axis=0), strict=True) if most > 0]
    meaning = to_classes([row.label for row in rows], NAMES, labels_map or {}, source, {})
    labelled, left_out, classes = who_competes(rows, meaning, NAMES, known, competing, source)
    by_name = {row.name: one for row, one in zip(rows, table, strict=True)}
    return compared(
        labelled,
        np.array([to_scores(np.log(np.maximum(by_name[row.name], 1e-300)), classes) for row in labelled]),
        [],
        [],
        group=group,
        source=source,
        model=model,
        head=None,
        readout=None,
        names=tuple(NAMES),
        classes=classes,
        left_out=left_out,
        folds=find_folds(rows),
        trained_on=None,
        trained_corpora=trained_corpora(rows, corpora),
    )
