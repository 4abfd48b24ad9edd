"""Labels: lists of labelled recordings, known corpora, and what others call the emotions."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.labels.label_list import Labelled, read_labels

__all__ = ["Labelled", "read_labels"]
__getattr__ = lazy.names(
    __name__,
    {
        "Labelled": "label_list",
        "read_labels": "label_list",
    },
)
