"""The trained part, in PyTorch: the last of Whisper's blocks that are run, and gated units in members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emovox.emotions import NAMES
from training.graph import WIDTH, Adaptor, Floats, Variables
from training.whisper import HEADS

OUT = len(NAMES)


@dataclass(frozen=True)
class Shape:
    """Widths of the units.

    Attributes:
        units: D, all members together.
        members: small networks with heads of their own; the logits are their mean.
        input_dropout: share of the states that are hidden in training, the same for all frames of a clip.
        dropout: share of the pooled units that are hidden in training.
    """

    units: int = 384
    members: int = 6
    input_dropout: float = 0.1
    dropout: float = 0.2


class Block(nn.Module):
    """An encoder block of Whisper's: states in, states out, (B, F, E)."""

    attention_norm: nn.LayerNorm
    attention_in: nn.Linear
    attention_out: nn.Linear
    feed_norm: nn.LayerNorm
    feed_in: nn.Linear
    feed_out: nn.Linear

    names = (
        ("attention_norm", "self_attention/layer_norm", ("gamma", "beta")),
        ("attention_in", "self_attention/linear_0", ("weight", "bias")),
        ("attention_out", "self_attention/linear_1", ("weight", "bias")),
        ("feed_norm", "ffn/layer_norm", ("gamma", "beta")),
        ("feed_in", "ffn/linear_0", ("weight", "bias")),
        ("feed_out", "ffn/linear_1", ("weight", "bias")),
    )

    def __init__(self, variables: Variables, prefix: str) -> None:
        """Take the weights of a block, whose names begin with `prefix`."""
        super().__init__()
        self.prefix = prefix
        for own, name, (weight, bias) in self.names:
            values = torch.from_numpy(np.array(variables[f"{prefix}{name}/{weight}"]))
            layer = nn.Linear(values.shape[1], values.shape[0]) if values.ndim == 2 else nn.LayerNorm(len(values))
            layer.weight = nn.Parameter(values)
            layer.bias = nn.Parameter(torch.from_numpy(np.array(variables[f"{prefix}{name}/{bias}"])))
            setattr(self, own, layer)

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        """States after the block; only frames that are `present`, (B, F), are attended to."""
        joined = self.attention_in(self.attention_norm(states)).unflatten(-1, (3, HEADS, WIDTH // HEADS))
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=present[:, None, None])
        states = states + self.attention_out(mixed.transpose(1, 2).flatten(2))
        fed: Tensor = states + self.feed_out(functional.gelu(self.feed_in(self.feed_norm(states))))
        return fed

    def to_variables(self) -> dict[str, Floats]:
        """The weights, by Whisper's names."""
        variables = {}
        for own, name, (weight, bias) in self.names:
            layer = getattr(self, own)
            variables[f"{self.prefix}{name}/{weight}"] = layer.weight.detach().cpu().numpy()
            variables[f"{self.prefix}{name}/{bias}"] = layer.bias.detach().cpu().numpy()
        return variables


class Network(nn.Module):
    """From kept states (B, F, 2 E), those before the tuned blocks and those behind them, to logits.

    While the blocks are `frozen`, the states behind them are taken as they were kept; then they compute them anew.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, variables: Variables, numbers: Sequence[int], shape: Shape, mean: Tensor, deviation: Tensor
    ) -> None:
        """Start from Whisper's blocks and random units.

        Args:
            variables: Whisper's weights.
            numbers: of the blocks, counted from 0.
            shape: of the units.
            mean: of the states behind the blocks, (E,).
            deviation: of these states, (E,).
        """
        super().__init__()
        self.frozen = True
        self.shape = shape
        self.blocks = nn.ModuleList(Block(variables, f"layer_{number}/") for number in numbers)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / deviation)
        self.gate_value = nn.Linear(len(mean), 2 * shape.units)
        self.heads = nn.Parameter(torch.randn(shape.members, shape.units // shape.members, OUT) * 0.05)
        self.bias = nn.Parameter(torch.zeros(shape.members, OUT))
        self.usual = nn.Parameter(torch.zeros(OUT))  # what of the bias goes where a baseline says what is usual
        self.input_dropout = nn.Dropout(shape.input_dropout)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        """Pooled units (B, D): the mean over the frames that are present, (B, F)."""
        before, behind = states.chunk(2, dim=-1)
        if not self.frozen:
            behind = before
            for block in self.blocks:
                behind = block(behind, present)
        normal = (behind - self.mean) * self.scale
        if self.training:
            normal = normal * self.input_dropout(torch.ones_like(normal[:, :1]))
        gate, value = self.gate_value(normal).chunk(2, dim=-1)
        units = (torch.sigmoid(gate) * functional.gelu(value)).float() * present[..., None]
        pooled: Tensor = units.sum(dim=1) / present.sum(dim=1, keepdim=True)
        return pooled

    def classify(self, units: Tensor) -> Tensor:
        """Logits of each member for pooled units: (B, members, 9)."""
        members = self.dropout(units).unflatten(-1, (self.shape.members, -1))
        return torch.einsum("bmd,mdo->bmo", members, self.heads) + self.bias

    def to_adaptor(self, temperature: float = 1, neutral: float = 0) -> Adaptor:
        """The units and heads as plain arrays: standardisation, mean of the members and temperature folded in.

        Args:
            temperature: by which logits are divided.
            neutral: added to neutral's logit then.
        """
        weight = (self.gate_value.weight * self.scale).detach().cpu().double().numpy()
        bias = self.gate_value.bias.detach().cpu().double().numpy() - weight @ self.mean.cpu().double().numpy()
        heads = self.heads.detach().cpu().double().numpy() / self.shape.members / temperature
        bias_of_head = self.bias.detach().cpu().double().numpy().mean(axis=0) / temperature
        bias_of_head[NAMES.index("neutral")] += neutral
        units = self.shape.units
        arrays = (
            weight[:units],
            bias[:units],
            weight[units:],
            bias[units:],
            heads.reshape(units, OUT).T,
            bias_of_head,
        )
        return Adaptor(*(np.ascontiguousarray(array, np.float32) for array in arrays))

    def to_variables(self, variables: Variables) -> Mapping[str, Floats]:
        """Whisper's weights with those of the tuned blocks in their place."""
        tuned = dict(variables)
        for block in self.blocks:
            tuned |= cast("Block", block).to_variables()
        return tuned
