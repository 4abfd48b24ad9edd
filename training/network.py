"""The trained part, in PyTorch: gated units over states, in members that learn apart and are heard together."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emovox.emotions import NAMES
from training.graph import Adaptor

OUT = len(NAMES)


@dataclass(frozen=True)
class Shape:
    """Widths of a network.

    Attributes:
        states: S, of what it reads.
        units: D, all members together.
        members: small networks with heads of their own; the logits are their mean.
    """

    states: int
    units: int
    members: int


class Network(nn.Module):
    """From states (B, F, S) of some frames of each clip to the logits of each member, (B, members, 9)."""

    def __init__(
        self, shape: Shape, mean: Tensor, deviation: Tensor, *, input_dropout: float, dropout: float
    ) -> None:
        """Start from random weights.

        Args:
            shape: the widths.
            mean: of the states, (S,).
            deviation: of the states, (S,).
            input_dropout: share of the states that are hidden in training, the same for all frames of a clip.
            dropout: share of the pooled units that are hidden in training.
        """
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / deviation)
        self.gate_value = nn.Linear(shape.states, 2 * shape.units)
        self.heads = nn.Parameter(torch.randn(shape.members, shape.units // shape.members, OUT) * 0.05)
        self.bias = nn.Parameter(torch.zeros(shape.members, OUT))
        self.input_dropout = nn.Dropout(input_dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Logits (B, members, 9) of the mean over the frames given."""
        normal = (states - self.mean) * self.scale
        if self.training:
            normal = normal * self.input_dropout(torch.ones_like(normal[:, :1]))
        gate, value = self.gate_value(normal).chunk(2, dim=-1)
        units = (torch.sigmoid(gate) * functional.gelu(value)).float().mean(dim=1)
        members = self.dropout(units).unflatten(-1, (self.shape.members, -1))
        return torch.einsum("bmd,mdo->bmo", members, self.heads) + self.bias

    def to_adaptor(self, temperature: float = 1) -> Adaptor:
        """The same function as plain arrays: standardisation, mean of the members and temperature folded in."""
        weight = (self.gate_value.weight * self.scale).detach().cpu().double().numpy()
        bias = self.gate_value.bias.detach().cpu().double().numpy() - weight @ self.mean.cpu().double().numpy()
        heads = self.heads.detach().cpu().double().numpy() / self.shape.members / temperature
        units = self.shape.units
        arrays = (
            weight[:units],
            bias[:units],
            weight[units:],
            bias[units:],
            heads.reshape(units, OUT).T,
            self.bias.detach().cpu().double().numpy().mean(axis=0) / temperature,
        )
        return Adaptor(*(np.ascontiguousarray(array, np.float32) for array in arrays))
