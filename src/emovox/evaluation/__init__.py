"""Evaluation: how well a model or a head does on labelled recordings, in figures and a report."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.evaluation.evaluation import Evaluation, evaluate, readout_to_evaluate
    from emovox.evaluation.stored import evaluate_stored
    from emovox.evaluation.value_evaluation import ValueEvaluation, evaluate_values

__all__ = [
    "Evaluation",
    "ValueEvaluation",
    "evaluate",
    "evaluate_stored",
    "evaluate_values",
    "readout_to_evaluate",
]
__getattr__ = lazy.names(
    __name__,
    {
        "Evaluation": "evaluation",
        "ValueEvaluation": "value_evaluation",
        "evaluate": "evaluation",
        "evaluate_stored": "stored",
        "evaluate_values": "value_evaluation",
        "readout_to_evaluate": "evaluation",
    },
)
