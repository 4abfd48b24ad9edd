"""Evaluation: how well a model or a head does on labelled recordings, in figures and a report."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.evaluation.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
__getattr__ = lazy.names(
    __name__,
    {
        "Evaluation": "evaluation",
        "evaluate": "evaluation",
    },
)
