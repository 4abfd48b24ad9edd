"""Low-rank adaptations in a checkpoint: pairs of narrow matrices beside a weight, added to it when it is read.

loralib's layers save `weight`, `lora_A` (r, inputs) and `lora_B` (outputs, r), and compute with
weight + lora_B lora_A · alpha / r.

Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685; loralib/layers.py in https://github.com/microsoft/LoRA.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.tensor import Shape, Tensor

_FIRST, _SECOND = ".lora_A", ".lora_B"


@dataclass(frozen=True)
class _Adapted:
    weight: Tensor
    first: Tensor
    second: Tensor

    @property
    def shape(self) -> Shape:
        return self.weight.shape

    def array(self) -> npt.NDArray[np.float32]:
        second, first = (part.array().astype(np.float64) for part in (self.second, self.first))
        return (self.weight.array() + second @ first / len(first)).astype(np.float32)


def with_low_rank(state: Mapping[str, Tensor | Inert]) -> dict[str, Tensor | Inert]:
    """The weights of a checkpoint with their adaptations of loralib's default alpha, 1, in them.

    Raises:
        ModelError: an adaptation doesn't fit its weight, or lacks one.
    """
    merged = {name: value for name, value in state.items() if not name.endswith((_FIRST, _SECOND))}
    for name in state.keys() - merged.keys():
        layer = name.removesuffix(_FIRST).removesuffix(_SECOND)
        parts = [state.get(layer + ending) for ending in (".weight", _FIRST, _SECOND)]
        shapes = [() if part is None or isinstance(part, Inert) else part.shape for part in parts]
        match shapes:
            case [(int(outputs), int(inputs)), (int(rank), columns), (rows, width)] if (columns, rows, width) == (
                inputs,
                outputs,
                rank,
            ) and 0 < rank <= min(inputs, outputs):
                weight, first, second = parts
                merged[f"{layer}.weight"] = _Adapted(weight, first, second)  # type: ignore[arg-type]
            case _:
                raise ModelError(f"the checkpoint's {layer:.100} has an adaptation that doesn't fit it")
    return merged
