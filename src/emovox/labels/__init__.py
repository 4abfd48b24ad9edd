"""Labels: lists of labelled recordings, known corpora, and what others call the emotions."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.labels.label_list import Labelled, read_labels
    from emovox.labels.reader import LabelReader
    from emovox.labels.value_list import Rated, read_values

__all__ = ["LabelReader", "Labelled", "Rated", "read_labels", "read_values"]
__getattr__ = lazy.names(
    __name__,
    {
        "LabelReader": "reader",
        "Labelled": "label_list",
        "Rated": "value_list",
        "read_labels": "label_list",
        "read_values": "value_list",
    },
)
