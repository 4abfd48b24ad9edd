"""What speech encoders have in common, as parts of an ONNX graph under the model contract.

A batch gives each row what it would get alone, whatever lies in its padding: the waveform is normalised over its
own samples, frames beyond the valid ones are zeroed wherever a layer looks at its neighbours, and attention and
pooling leave them out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from emovox.models.onnx.graph import END, Graph
from emovox.models.snapshot import Grid, Layer

Floats = npt.NDArray[np.float32]

# What torch's LayerNorm and GroupNorm add to a variance, unless they are told another number.
EPSILON = 1e-5
# Added to the attention scores of padded keys: exp gives exactly 0, and a row without any frame stays a number.
NEVER = -3e38


@dataclass(frozen=True)
class Convolution:
    """One strided convolution of the front.

    Attributes:
        name: of its weight and bias, without ``.weight`` and ``.bias``.
        norm: name of the norm that follows it, over channels or over time; None: none does.
        bias: whether it has one.
    """

    name: str
    norm: str | None
    bias: bool = False


class SpeechEncoder:
    """Adds a network to a graph, part by part in the order of the computation; each family's builds on it."""

    def __init__(
        self, graph: Graph, weights: Mapping[str, Floats], grid: Grid, layers: Sequence[Layer] = ()
    ) -> None:
        """Keep what the parts are made of.

        Args:
            graph: what is added to.
            weights: by the names that the parts are given.
            grid: where the frames lie.
            layers: the strided convolutions that make them of the waveform; none: something else does.
        """
        self.graph = graph
        self.weights = weights
        self.layers = layers
        self.hop, self.minimum_samples = grid.hop, grid.minimum_samples

    def valid_samples(self) -> tuple[str, str]:
        """The valid samples of each row (B,), and the batch's length (1,)."""
        length = self.graph.size("waveform", 1)
        zero = self.graph.constant(0, np.int64)
        return self.graph.add("Max", self.graph.add("Min", "samples", length), zero), length

    def valid_frames(self, samples: str, length: str) -> tuple[str, str, str]:
        """The output `frame_count` (B,), how many frames the batch has (1,), and which are valid (B, T, 1)."""
        graph = self.graph
        with graph.scope("frames"):
            total = self.frames_of(length)
            count = graph.add("Max", self.frames_of(samples), graph.constant(0, np.int64), output="frame_count")
            return count, total, self.below(count, total)

    def frames_of(self, samples: str) -> str:
        """How many frames so many samples give: 1 + ⌊(samples - minimum) / hop⌋, exact from minimum - hop on."""
        spare = self.graph.add("Add", samples, self.graph.constant(self.hop - self.minimum_samples, np.int64))
        return self.graph.add("Div", spare, self.graph.constant(self.hop, np.int64))

    def below(self, count: str, length: str) -> str:
        """Whether each of ``length`` positions lies below its row's ``count`` (B,): (B, length, 1)."""
        graph = self.graph
        within = graph.add("Less", graph.count(length), graph.add("Unsqueeze", count, graph.integers(1)))
        return graph.add("Unsqueeze", within, graph.integers(2))

    def waveform(self, samples: str, length: str, *, epsilon: float | None) -> str:
        """The waveform with zeros beyond the valid samples, (B, N).

        It is brought to zero mean and unit variance, ``epsilon`` added to that, unless that is None.
        """
        graph = self.graph
        valid = graph.add("Squeeze", self.below(samples, length), graph.integers(2))
        zero = graph.number(0)
        waveform = graph.add("Where", valid, "waveform", zero)
        if epsilon is None:
            return waveform
        divisor = graph.add("Max", samples, graph.constant(1, np.int64))
        divisor = graph.add("Unsqueeze", graph.add("Cast", divisor, to=TensorProto.FLOAT), graph.integers(1))
        for _ in range(2):  # the second time takes off what rounding left of an offset far above the speech
            mean = graph.add("Div", graph.add("ReduceSum", waveform, graph.integers(1)), divisor)
            waveform = graph.add("Where", valid, graph.add("Sub", waveform, mean), zero)
        return self._scaled(waveform, divisor, axis=1, epsilon=epsilon)

    def _scaled(self, centred: str, divisor: str, *, axis: int, epsilon: float) -> str:
        """Bring ``centred``, zero mean along ``axis`` and zeros beyond its valid part, to unit variance."""
        graph = self.graph
        squares = graph.add("ReduceSum", graph.add("Mul", centred, centred), graph.integers(axis))
        variance = graph.add("Add", graph.add("Div", squares, divisor), graph.number(epsilon))
        return graph.add("Div", centred, graph.add("Sqrt", variance))

    def front(
        self, waveform: str, samples: str, frame_total: str, parts: Sequence[Convolution], *, over_time: bool
    ) -> str:
        """The strided convolutions: (B, N) to (B, T, channels).

        A convolution of stride s is a product of its matrix with neighbouring rows of s steps each. In that form
        channels come last, where LayerNorm wants them, and quantisers find plain products.
        Nothing is padded, so valid frames see valid samples alone; the waveform is cut or continued with zeros
        once, so that every layer's steps come in whole rows.

        Args:
            waveform: (B, N), zeros beyond the valid samples.
            samples: the valid ones of each row.
            frame_total: T.
            parts: names and parts of each of the layers.
            over_time: whether norms are over the valid steps of a channel, instead of over a step's channels.
        """
        graph = self.graph
        # The norm over time needs every step of the first convolution, also those after the last frame's.
        extra = int(over_time)
        tail = extra
        for _, kernel, stride in reversed(self.layers):
            tail = (tail + math.ceil(kernel / stride) - 1) * stride
        needed = graph.add("Add", graph.add("Mul", frame_total, graph.integers(self.hop)), graph.integers(tail))
        spare = max(0, tail - self.minimum_samples + self.hop)
        x = graph.add("Pad", waveform, graph.integers(0, 0, 0, spare))
        x = graph.add("Unsqueeze", graph.slice(x, 0, needed, axis=1), graph.integers(2))
        channels = 1
        for index, (layer, part) in enumerate(zip(self.layers, parts, strict=True)):
            width, kernel, stride = layer
            with graph.scope(f"conv{index}"):
                x = self._convolution(x, part.name, layer, channels)
                if part.bias:
                    x = graph.add("Add", x, graph.weight(f"{part.name}.bias", self.weights[f"{part.name}.bias"]))
                if part.norm and over_time:
                    x = self._norm_over_time(x, part.norm, samples, kernel, stride)
                elif part.norm:
                    x = self.layer_norm(x, part.norm)
                x = graph.add("Gelu", x)
            channels = width
        return graph.slice(x, 0, frame_total, axis=1) if extra else x

    def _convolution(self, x: str, name: str, layer: Layer, channels: int) -> str:
        """One convolution, (B, rows x stride, channels) to (B, steps, width).

        Row by row of the kernel, the sum of products is less copying than one product with the rows put side by
        side: 1.2 times faster over the whole front. Only where a step is narrow, as in the first, it is the other
        way round.
        """
        graph = self.graph
        width, kernel, stride = layer
        name = f"{name}.weight"
        # From (width, channels, kernel) to the order of the elements in a row.
        matrix = self.weights[name].transpose(2, 1, 0).reshape(kernel * channels, width)
        rows = math.ceil(kernel / stride)
        row = stride * channels
        x = graph.add("Reshape", x, graph.integers(0, -1, row))
        if kernel * channels <= width:
            pieces = [graph.slice(x, first, first + 1 - rows or END, axis=1) for first in range(rows)]
            steps = graph.add("Concat", *pieces, axis=2)
            steps = graph.slice(steps, 0, kernel * channels if kernel % stride else END, axis=2)
            return graph.product(steps, name, matrix)
        total = ""
        for first in range(rows):
            part = matrix[first * row : (first + 1) * row]
            piece = graph.slice(x, 0, len(part) if len(part) < row else END, axis=2)
            piece = graph.slice(piece, first, first + 1 - rows or END, axis=1) if first else piece
            product = graph.product(piece, f"{name}.{first}", part)
            if first == 0:  # cut after the product, which is narrower
                product = graph.slice(product, 0, 1 - rows or END, axis=1)
            total = graph.add("Add", total, product) if first else product
        return total

    def _norm_over_time(self, x: str, name: str, samples: str, kernel: int, stride: int) -> str:
        """Normalise each channel over the valid steps of the first convolution: a GroupNorm of single channels."""
        graph = self.graph
        spare = graph.add("Add", samples, graph.constant(stride - kernel, np.int64))
        steps = graph.add(
            "Max", graph.add("Div", spare, graph.constant(stride, np.int64)), graph.constant(0, np.int64)
        )
        valid = self.below(steps, graph.size(x, 1))
        divisor = graph.add("Cast", graph.add("Max", steps, graph.constant(1, np.int64)), to=TensorProto.FLOAT)
        divisor = graph.add("Unsqueeze", divisor, graph.integers(1, 2))
        zero = graph.number(0)
        mean = graph.add(
            "Div", graph.add("ReduceSum", graph.add("Where", valid, x, zero), graph.integers(1)), divisor
        )
        centred = graph.add("Where", valid, graph.add("Sub", x, mean), zero)
        x = self._scaled(centred, divisor, axis=1, epsilon=EPSILON)
        x = graph.add("Mul", x, graph.weight(f"{name}.weight", self.weights[f"{name}.weight"]))
        return graph.add("Add", x, graph.weight(f"{name}.bias", self.weights[f"{name}.bias"]))

    def neighbours(
        self, x: str, valid: str, name: str, kernel: Floats, *, groups: int, bias: Floats | None = None
    ) -> str:
        """A convolution over neighbouring frames, (B, T, D) to the same; none sees anything but valid frames.

        Args:
            x: the frames.
            valid: which of them are.
            name: of its weight and bias.
            kernel: the weight, (D, D / groups, width). An even width would give a frame more: the last is dropped.
            groups: of channels.
            bias: where it isn't the weight of that name, (D,).
        """
        graph, width = self.graph, kernel.shape[2]
        bias = self.weights[f"{name}.bias"] if bias is None else bias
        half = width // 2
        x = graph.add("Where", valid, x, graph.number(0))
        x = graph.add(
            "Conv",
            graph.add("Transpose", x, perm=[0, 2, 1]),
            graph.weight(f"{name}.weight", kernel),
            graph.weight(f"{name}.bias", bias),
            group=groups,
            pads=[half, half - 1 + width % 2],
        )
        return graph.add("Transpose", x, perm=[0, 2, 1])

    def shares(self, name: str) -> list[float]:
        """Of each layer in a sum whose weights go through a softmax: 1 together."""
        weights = self.weights[name].astype(np.float64)
        raised = np.exp(weights - weights.max())
        return [float(share) for share in raised / raised.sum()]

    def attention(self, projected: str, bias: str | None, *, width: int, heads: int) -> str:
        """Multi-head attention in plain operators that every engine has, without its last projection.

        Args:
            projected: queries, keys and values side by side, (B, S, 3 x width).
            bias: what is added to the scores, (B, heads or 1, S or 1, S); None: nothing.
            width: of the embeddings.
            heads: how many.
        """
        graph = self.graph
        parts = graph.split(projected, [width] * 3, axis=2)
        split = graph.integers(0, 0, heads, width // heads)
        query, key, value = (graph.add("Reshape", part, split) for part in parts)
        query = graph.add("Mul", query, graph.number((width // heads) ** -0.5))
        query = graph.add("Transpose", query, perm=[0, 2, 1, 3])
        key = graph.add("Transpose", key, perm=[0, 2, 3, 1])
        value = graph.add("Transpose", value, perm=[0, 2, 1, 3])
        scores = graph.add("MatMul", query, key)
        if bias is not None:
            scores = graph.add("Add", scores, bias)
        mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
        mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
        return graph.add("Reshape", mixed, graph.integers(0, 0, width))

    def outputs(self, x: str, valid: str, frame_count: str) -> None:
        """The outputs of the contract that every model has: frames and their mean; readouts are made of these.

        Args:
            x: frames, (B, T, D).
            valid: which of them are, (B, T, 1).
            frame_count: of each row.
        """
        graph = self.graph
        self._valid = valid
        with graph.scope("pooling"):
            frames = graph.add("Where", valid, x, graph.number(0), output="frames")
            divisor = graph.add(
                "Cast", graph.add("Max", frame_count, graph.constant(1, np.int64)), to=TensorProto.FLOAT
            )
            self._divisor = graph.add("Unsqueeze", divisor, graph.integers(1))
            total = graph.add("ReduceSum", frames, graph.integers(1), keepdims=0)
            graph.add("Div", total, self._divisor, output="embedding")

    def linear_readout(self, name: str, weight: Floats, bias: Floats, *, excess: str | None = None) -> None:
        """A linear readout of the frames: the outputs `NAME.frame_logits`, (B, T, K), and `NAME.logits`, (B, K).

        Args:
            name: of the readout.
            weight: (K, D).
            bias: (K,).
            excess: what the head sees more in each frame, (B, T, D); None: nothing.
        """
        graph = self.graph
        with graph.scope(name):
            matrix = graph.weight(f"{name}.weight", weight.T)
            logits = graph.add("Add", graph.add("MatMul", "frames", matrix), graph.weight(f"{name}.bias", bias))
            if excess is not None:
                logits = graph.add("Add", logits, graph.add("MatMul", excess, matrix))
            logits = graph.add("Where", self._valid, logits, graph.number(0), output=f"{name}.frame_logits")
            # Not the product with `embedding`, which is the same: an engine that multiplies matrices in bfloat16
            # keeps sums in float32, so the mean of the frames holds there too.
            total = graph.add("ReduceSum", logits, graph.integers(1), keepdims=0)
            graph.add("Div", total, self._divisor, output=f"{name}.logits")

    def pooled_readout(
        self, name: str, layers: Sequence[tuple[Floats, Floats]], between: str, last: str | None = None
    ) -> None:
        """A readout of the mean of the frames: the output `NAME.logits`, (B, K).

        Its weights stay float32 in every precision: they are few.

        Args:
            name: of the readout.
            layers: weight (outputs, inputs) and bias (outputs,) of each.
            between: the operator between two layers, such as `Tanh`.
            last: the one after them, where there is one.
        """
        graph = self.graph
        x, output = "embedding", f"{name}.logits"
        with graph.scope(name):
            for index, (weight, bias) in enumerate(layers):
                ends = index == len(layers) - 1 and last is None
                x = graph.add(between, x) if index else x
                x = graph.add("MatMul", x, graph.weight(f"{name}.{index}.weight", weight.T))
                shift = graph.weight(f"{name}.{index}.bias", bias)
                x = graph.add("Add", x, shift, output=output if ends else None)
            if last is not None:
                graph.add(last, x, output=output)

    def linear(self, x: str, name: str) -> str:
        """Multiply by ``name``.weight and add ``name``.bias."""
        return self.graph.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def layer_norm(self, x: str, name: str, epsilon: float = EPSILON) -> str:
        """Normalise each frame over its channels, with ``name``.weight and ``name``.bias."""
        graph = self.graph
        scale, shift = (
            graph.weight(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def plain_norm(self, x: str, width: int, epsilon: float = EPSILON) -> str:
        """Normalise each frame over its channels, and nothing more."""
        one, zero = (self.graph.constant(np.full(width, value), np.float32) for value in (1, 0))
        return self.graph.add("LayerNormalization", x, one, zero, axis=-1, epsilon=epsilon)

    def activation(self, x: str, name: str) -> str:
        """By transformers' name of it: `gelu`, or `swish`, which it also calls `silu`."""
        return (
            self.graph.add("Gelu", x) if name == "gelu" else self.graph.add("Mul", x, self.graph.add("Sigmoid", x))
        )
