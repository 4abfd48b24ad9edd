"""A tensor of a checkpoint, of whatever form that is."""

from typing import Any, Protocol

import numpy.typing as npt

Shape = tuple[int, ...]


class Tensor(Protocol):
    """A tensor of a checkpoint, still on disk."""

    @property
    def shape(self) -> Shape:
        """As in torch."""

    def array(self) -> npt.NDArray[Any]:
        """Its elements, shape `shape`."""
