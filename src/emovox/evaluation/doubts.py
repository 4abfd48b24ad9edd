"""Why the figures of an evaluation may flatter."""

from collections.abc import Iterable

from emovox.evaluation.evaluation import Evaluation
from emovox.evaluation.value_evaluation import ValueEvaluation
from emovox.labels.folds import Folds


def doubts(evaluation: Evaluation | ValueEvaluation) -> list[str]:
    """Why the figures may flatter, in sentences."""
    sentences = _of_head(evaluation)
    if evaluation.trained_corpora:
        sentences.append(
            f"{evaluation.model.name} was trained on {', '.join(evaluation.trained_corpora)}, which these "
            f"{evaluation.nouns} seem to be of: the figures say how well it knows them, not how it does on speech "
            "that it does not know."
        )
    return [*sentences, *_of_folds(evaluation.folds)]


def _of_head(evaluation: Evaluation | ValueEvaluation) -> list[str]:
    head = evaluation.head
    if head is None or evaluation.trained_on == 0:
        return []
    if evaluation.trained_on is None:
        return [
            f"The head {head.name} doesn't say which {evaluation.nouns} it was trained on: if some of these are "
            "among them, the figures flatter it."
        ]
    return [
        f"The head {head.name} was trained on {evaluation.trained_on} of these {len(evaluation.rows)} "
        f"{evaluation.nouns}, so the figures flatter it. Evaluate it on others."
    ]


def _of_folds(corpora: Iterable[Folds]) -> list[str]:
    """Which folds share speakers, a sentence for each corpus where some do."""
    sentences = []
    for folds in corpora:
        if folds.shared:
            corpus = "" if folds.corpus is None else f" of {folds.corpus}"
            sentences.append(
                f"{folds.shared} of {folds.count} folds{corpus} (column {folds.column}) share speakers with "
                "others: a model that is trained on some of them and tested on another knows the voices."
            )
    return sentences
