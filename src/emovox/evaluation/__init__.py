"""Evaluation: figures and a report of recordings whose labels are known."""

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
