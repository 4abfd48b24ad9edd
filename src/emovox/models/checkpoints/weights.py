"""The weights that a network needs, found in a checkpoint by name and checked against the shapes it expects."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import weight_files
from emovox.models.checkpoints.tensor import Shape, Tensor
from emovox.models.readout import Readout

_LISTED = 20
# A weight takes 4 bytes and an element of the checkpoint 1 at least; more than that means elements used twice.
_MAX_GROWTH = 4


class Weights(Mapping[str, npt.NDArray[np.float32]]):
    """Weights by the network's own names, each read from disk when it is asked for.

    Attributes:
        readouts: what the network gives besides embeddings, now that its checkpoint was seen.
        nbytes: bytes of them all as float32.
    """

    def __init__(
        self,
        path: Path,
        state: Mapping[str, Tensor | Inert],
        shapes: Mapping[str, Shape],
        readouts: tuple[Readout, ...],
        source_of: Callable[[str], str],
    ) -> None:
        """Find every weight in the checkpoint, without reading any.

        Args:
            path: of the checkpoint, or of the index of its files.
            state: what it holds.
            shapes: of every weight that the network needs, by its own names.
            readouts: as the attribute.
            source_of: the checkpoint's name of a weight.

        Raises:
            ModelError: weights are missing or misshapen; the message lists them.
        """
        self.readouts = readouts
        self._tensors: dict[str, Tensor] = {}
        wrong = []
        for name, shape in shapes.items():
            value = state.get(source_of(name))
            if value is None:
                wrong.append(f"{name} is missing")
            elif isinstance(value, Inert):
                wrong.append(f"{name} is made by {value.origin}, which is refused")
            elif value.shape != shape:
                wrong.append(f"{name} has the shape {value.shape}, not {shape}")
            else:
                self._tensors[name] = value
        if wrong:
            more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
            raise ModelError(f"{path.name} doesn't fit its config: {'; '.join(wrong[:_LISTED])}{more}")
        self.nbytes = sum(4 * int(np.prod(tensor.shape, dtype=object)) for tensor in self._tensors.values())
        if self.nbytes > _MAX_GROWTH * sum(file.stat().st_size for file in weight_files(path)):
            raise ModelError(f"{path.name} is refused: its weights are bigger than the file")

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        """Return a weight as float32, a view of the file where it can be.

        Raises:
            ModelError: damaged, or not a finite number.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._tensors[name].array().astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise ModelError(f"the checkpoint's weight {name} has values that aren't finite")
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
