"""The Emotion2Vec network as an ONNX graph, built from a snapshot's config and weights under the model contract.

    waveform → strided convolutions → projection → + positional convolutions → extra tokens
             → transformer layers of the modality, then the shared ones → frames → head

FunASR computes one recording at a time. Here a batch gives each row what it would get alone, whatever lies in its
padding: the waveform is normalised over its own samples, frames beyond the valid ones are zeroed wherever a layer
looks at its neighbours, and attention and pooling leave them out.

Source: Ma et al. 2023, https://arxiv.org/abs/2312.15185; Baevski et al. 2022, https://arxiv.org/abs/2212.07525
(data2vec 2.0, whose encoder it is); Press et al. 2022, https://arxiv.org/abs/2108.12409 (ALiBi); and
funasr/models/emotion2vec in FunASR 1.4.16 (MIT), for what each setting means and which weight goes where.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from emovox.emotions import NAMES
from emovox.models.emotion2vec.snapshot import ModelConfig
from emovox.models.emotion2vec.weights import Weights
from emovox.models.onnx.graph import END, Graph

# What torch's LayerNorm and GroupNorm add to a variance; norm_eps replaces it in the transformer layers only.
EPSILON = 1e-5
# Added to the attention scores of padded keys: exp gives exactly 0, and a row without any frame stays a number.
_NEVER = -3e38
# Logit of a class that the head was never taught: its share of any softmax is exactly 0.
UNTAUGHT = -1e4

_AUDIO = "modality_encoders.AUDIO"


class Emotion2VecBuilder:
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, config: ModelConfig, weights: Weights) -> None:
        self.graph = graph
        self.config = config
        self.weights = weights

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        graph = self.graph
        length = graph.size("waveform", 1)
        zero = graph.constant(0, np.int64)
        samples = graph.add("Max", graph.add("Min", "samples", length), zero)
        with graph.scope("waveform"):
            waveform = self._normalised(samples, length)
        with graph.scope("frames"):
            frame_total = self._frames_of(length)
            frame_count = graph.add("Max", self._frames_of(samples), zero, output="frame_count")
            valid = self._below(frame_count, frame_total)  # (B, T, 1)
        with graph.scope("front"):
            x = self._front(waveform, samples, frame_total)
        with graph.scope("positions"):
            x = graph.add("Add", x, self._positional(x, valid))
        x, tokens = self._with_extra_tokens(x)
        with graph.scope("biases"):
            biases = self._attention_biases(frame_total, valid)
        x = self._transformer(x, biases)
        if tokens:
            x = graph.slice(x, tokens, END, axis=1)
        self._outputs(x, valid, frame_count)

    def _frames_of(self, samples: str) -> str:
        """The formula of all convolutions in one: 1 + ⌊(samples - width) / hop⌋, exact from width - hop on."""
        audio = self.config.audio
        spare = self.graph.add("Add", samples, self.graph.constant(audio.hop - audio.minimum_samples, np.int64))
        return self.graph.add("Div", spare, self.graph.constant(audio.hop, np.int64))

    def _below(self, count: str, length: str) -> str:
        """Whether each of ``length`` positions lies below its row's ``count`` (B,): (B, length, 1)."""
        graph = self.graph
        within = graph.add("Less", graph.count(length), graph.add("Unsqueeze", count, graph.integers(1)))
        return graph.add("Unsqueeze", within, graph.integers(2))

    def _normalised(self, samples: str, length: str) -> str:
        """The waveform with zeros beyond the valid samples, (B, N), normalised if the config says so."""
        graph = self.graph
        valid = graph.add("Squeeze", self._below(samples, length), graph.integers(2))
        zero = graph.number(0)
        waveform = graph.add("Where", valid, "waveform", zero)
        if not self.config.normalize:
            return waveform
        divisor = graph.add("Max", samples, graph.constant(1, np.int64))
        divisor = graph.add("Unsqueeze", graph.add("Cast", divisor, to=TensorProto.FLOAT), graph.integers(1))
        for _ in range(2):  # the second time takes off what rounding left of an offset far above the speech
            mean = graph.add("Div", graph.add("ReduceSum", waveform, graph.integers(1)), divisor)
            waveform = graph.add("Where", valid, graph.add("Sub", waveform, mean), zero)
        return self._scaled(waveform, divisor, axis=1)

    def _scaled(self, centred: str, divisor: str, *, axis: int) -> str:
        """Bring ``centred``, zero mean along ``axis`` and zeros beyond its valid part, to unit variance."""
        graph = self.graph
        squares = graph.add("ReduceSum", graph.add("Mul", centred, centred), graph.integers(axis))
        variance = graph.add("Add", graph.add("Div", squares, divisor), graph.number(EPSILON))
        return graph.add("Div", centred, graph.add("Sqrt", variance))

    def _front(self, waveform: str, samples: str, frame_total: str) -> str:
        """The strided convolutions and the projection: (B, N) to (B, T, D).

        A convolution of stride s is a product of its matrix with neighbouring rows of s steps each. In that form
        channels come last, where LayerNorm wants them, and quantisers find plain products.
        Nothing is padded, so valid frames see valid samples alone; the waveform is cut or continued with zeros
        once, so that every layer's steps come in whole rows.
        """
        graph, audio = self.graph, self.config.audio
        # The norm over time needs every step of the first convolution, also those after the last frame's.
        extra = 0 if audio.extractor_mode == "layer_norm" else 1
        tail = extra
        for _, kernel, stride in reversed(audio.feature_encoder_spec):
            tail = (tail + math.ceil(kernel / stride) - 1) * stride
        needed = graph.add("Add", graph.add("Mul", frame_total, graph.integers(audio.hop)), graph.integers(tail))
        spare = max(0, tail - audio.minimum_samples + audio.hop)
        x = graph.add("Pad", waveform, graph.integers(0, 0, 0, spare))
        x = graph.add("Unsqueeze", graph.slice(x, 0, needed, axis=1), graph.integers(2))
        channels = 1
        for index, (width, kernel, stride) in enumerate(audio.feature_encoder_spec):
            with graph.scope(f"conv{index}"):
                x = self._convolution(x, index, channels)
                name = f"{_AUDIO}.local_encoder.conv_layers.{index}.2"
                if audio.extractor_mode == "layer_norm":
                    x = self._layer_norm(x, f"{name}.1", width, EPSILON)
                elif index == 0:
                    x = self._norm_over_time(x, name, samples, kernel, stride)
                x = graph.add("Gelu", x)
            channels = width
        if extra:
            x = graph.slice(x, 0, frame_total, axis=1)
        x = self._layer_norm(x, f"{_AUDIO}.project_features.1", channels, EPSILON)
        return self._linear(x, f"{_AUDIO}.project_features.2")

    def _convolution(self, x: str, index: int, channels: int) -> str:
        """One convolution, (B, rows x stride, channels) to (B, steps, width).

        Row by row of the kernel, the sum of products is less copying than one product with the rows put side by
        side: 1.2 times faster over the whole front. Only where a step is narrow, as in the first, it is the other
        way round.
        """
        graph = self.graph
        width, kernel, stride = self.config.audio.feature_encoder_spec[index]
        name = f"{_AUDIO}.local_encoder.conv_layers.{index}.0.weight"
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
        valid = self._below(steps, graph.size(x, 1))
        divisor = graph.add("Cast", graph.add("Max", steps, graph.constant(1, np.int64)), to=TensorProto.FLOAT)
        divisor = graph.add("Unsqueeze", divisor, graph.integers(1, 2))
        zero = graph.number(0)
        mean = graph.add(
            "Div", graph.add("ReduceSum", graph.add("Where", valid, x, zero), graph.integers(1)), divisor
        )
        centred = graph.add("Where", valid, graph.add("Sub", x, mean), zero)
        x = self._scaled(centred, divisor, axis=1)
        x = graph.add("Mul", x, graph.weight(f"{name}.weight", self.weights[f"{name}.weight"]))
        return graph.add("Add", x, graph.weight(f"{name}.bias", self.weights[f"{name}.bias"]))

    def _positional(self, x: str, valid: str) -> str:
        """Convolutions over neighbouring frames, (B, T, D) to the same; none sees anything but valid frames."""
        graph, audio, width = self.graph, self.config.audio, self.config.embed_dim
        encoder = f"{_AUDIO}.relative_positional_encoder"
        if audio.conv_pos_pre_ln:
            x = self._layer_norm(x, f"{encoder}.0", width, EPSILON)
            encoder += ".1"
        half = audio.positional_kernel // 2
        ones = graph.constant(np.ones(width), np.float32)
        for index in range(audio.conv_pos_depth):
            name = f"{encoder}.{index + 1}.0"
            with graph.scope(f"conv{index}"):
                x = graph.add("Where", valid, x, graph.number(0))
                x = graph.add(
                    "Conv",
                    graph.add("Transpose", x, perm=[0, 2, 1]),
                    graph.weight(f"{name}.weight", self.weights[f"{name}.weight"]),
                    graph.weight(f"{name}.bias", self.weights[f"{name}.bias"]),
                    group=audio.conv_pos_groups,
                    # An even kernel would give a frame more: FunASR drops the last.
                    pads=[half, half - 1 + audio.positional_kernel % 2],
                )
                x = graph.add("Transpose", x, perm=[0, 2, 1])
                x = graph.add("LayerNormalization", x, ones, axis=-1, epsilon=EPSILON)
                x = graph.add("Gelu", x)
        return x

    def _with_extra_tokens(self, x: str) -> tuple[str, int]:
        graph, tokens = self.graph, self.config.audio.num_extra_tokens
        if not tokens:
            return x, 0
        name = f"{_AUDIO}.extra_tokens"
        shape = graph.add("Concat", graph.size(x, 0), graph.integers(1, 1), axis=0)
        learned = graph.add("Expand", graph.weight(name, self.weights[name]), shape)
        return graph.add("Concat", learned, x, axis=1), tokens

    def _attention_biases(self, frame_total: str, valid: str) -> list[Callable[[], str]]:
        """What adds the bias of the attention scores for each transformer layer: (B, heads or 1, S or 1, S).

        S counts the extra tokens too. Padded keys get `_NEVER`; with ALiBi, keys also fade with their distance
        from the query, by a slope of each head. The extra tokens are near to everything. A layer with slopes of
        its own adds its bias itself, so that there is one in memory at a time.
        """
        graph, audio = self.graph, self.config.audio
        layers = audio.prenet_depth + self.config.depth
        tokens = audio.num_extra_tokens
        masked = graph.add("Where", valid, graph.number(0), graph.number(_NEVER))
        masked = graph.add("Pad", masked, graph.integers(0, tokens, 0, 0, 0, 0))
        masked = graph.add("Unsqueeze", graph.add("Squeeze", masked, graph.integers(2)), graph.integers(1, 2))
        if not audio.use_alibi_encoder:
            return [lambda: masked] * layers
        frames = graph.add("Cast", graph.count(frame_total), to=TensorProto.FLOAT)
        between = graph.add("Sub", frames, graph.add("Unsqueeze", frames, graph.integers(1)))
        nearness = graph.add("Neg", graph.add("Abs", between))
        nearness = graph.add("Pad", nearness, graph.integers(tokens, tokens, 0, 0))

        def bias(slopes: npt.NDArray[np.float32]) -> str:
            faded = graph.add("Mul", nearness, graph.constant(slopes[:, None, None], np.float32))
            return graph.add("Add", faded, masked)

        slopes = self._slopes()
        if len(slopes) == layers:
            return [partial(bias, row) for row in slopes]
        shared = bias(slopes[0])
        return [lambda: shared] * layers

    def _slopes(self) -> npt.NDArray[np.float32]:
        """How fast each head's attention fades, (1 or layers, heads): ALiBi's slopes times the learned scales.

        A negative scale counts as 0. Heads beyond `num_alibi_heads` don't fade.
        """
        audio, config = self.config.audio, self.config
        scales = self.weights[f"{_AUDIO}.alibi_scale"]  # (scales, 1, 1 or heads, 1, 1)
        learned = np.maximum(scales[:, 0, :, 0, 0], 0) * np.asarray(
            alibi_slopes(audio.num_alibi_heads), np.float32
        )
        slopes = np.zeros((len(learned), config.num_heads), np.float32)
        slopes[:, : audio.num_alibi_heads] = learned
        if len(slopes) == 1:
            return slopes
        modality, shared = slopes[: audio.prenet_depth], slopes[audio.prenet_depth :]
        # One scale left for the shared layers serves them all, as in FunASR.
        shared = np.repeat(shared, config.depth, axis=0) if len(shared) == 1 else shared[: config.depth]
        return np.concatenate([modality, shared])

    def _transformer(self, x: str, biases: list[Callable[[], str]]) -> str:
        config = self.config
        prenet = config.audio.prenet_depth
        if not config.layer_norm_first:
            x = self._norm(x, f"{_AUDIO}.context_encoder.norm")
        for index, bias in enumerate(biases):
            name = f"{_AUDIO}.context_encoder.blocks.{index}" if index < prenet else f"blocks.{index - prenet}"
            with self.graph.scope(name):
                x = self._layer(x, name, bias())
        return self._norm(x, "norm") if config.layer_norm_first else x

    def _layer(self, x: str, name: str, bias: str) -> str:
        """One transformer layer, (B, S, D) to the same."""
        add = self.graph.add
        if self.config.layer_norm_first:
            x = add("Add", x, self._attention(self._norm(x, f"{name}.norm1"), name, bias))
            middle = self._middle(self._norm(x, f"{name}.norm2"), name)
            # FunASR adds the middle to itself, not to what went into it; the weights were trained so.
            return add("Add", middle, middle)
        x = self._norm(add("Add", x, self._attention(x, name, bias)), f"{name}.norm1")
        return self._norm(add("Add", x, self._middle(x, name)), f"{name}.norm2")

    def _middle(self, x: str, name: str) -> str:
        with self.graph.scope("mlp"):
            x = self.graph.add("Gelu", self._linear(x, f"{name}.mlp.fc1"))
            return self._linear(x, f"{name}.mlp.fc2")

    def _attention(self, x: str, name: str, bias: str) -> str:
        """Multi-head self-attention, (B, S, D) to the same, in plain operators that every engine has."""
        graph, width, heads = self.graph, self.config.embed_dim, self.config.num_heads
        with graph.scope("attn"):
            projected = self._linear(x, f"{name}.attn.qkv")
            parts = graph.split(projected, [width] * 3, axis=2)
            split = graph.integers(0, 0, heads, width // heads)
            query, key, value = (graph.add("Reshape", part, split) for part in parts)
            query = graph.add("Mul", query, graph.number((width // heads) ** -0.5))
            query = graph.add("Transpose", query, perm=[0, 2, 1, 3])
            key = graph.add("Transpose", key, perm=[0, 2, 3, 1])
            value = graph.add("Transpose", value, perm=[0, 2, 1, 3])
            scores = graph.add("Add", graph.add("MatMul", query, key), bias)
            mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
            mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
            return self._linear(graph.add("Reshape", mixed, graph.integers(0, 0, width)), f"{name}.attn.proj")

    def _outputs(self, x: str, valid: str, frame_count: str) -> None:
        graph = self.graph
        zero = graph.number(0)
        with graph.scope("head"):
            frames = graph.add("Where", valid, x, zero, output="frames")
            divisor = graph.add(
                "Cast", graph.add("Max", frame_count, graph.constant(1, np.int64)), to=TensorProto.FLOAT
            )
            total = graph.add("ReduceSum", frames, graph.integers(1), keepdims=0)
            divisor = graph.add("Unsqueeze", divisor, graph.integers(1))
            graph.add("Div", total, divisor, output="embedding")
            weight, bias = (
                graph.weight(f"head.{part}", values)
                for part, values in zip(("weight", "bias"), self._head(), strict=True)
            )
            frame_logits = graph.add("Add", graph.add("MatMul", frames, weight), bias)
            frame_logits = graph.add("Where", valid, frame_logits, zero, output="frame_logits")
            # Not the head over `embedding`, which is the same: an engine that multiplies matrices in bfloat16
            # keeps sums in float32, so the mean of the frames holds there too.
            total = graph.add("ReduceSum", frame_logits, graph.integers(1), keepdims=0)
            graph.add("Div", total, divisor, output="logits")

    def _head(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The head with a column for each of the nine emotions: (D, 9) and (9,)."""
        weight = np.zeros((self.config.embed_dim, len(NAMES)), np.float32)
        bias = np.full(len(NAMES), UNTAUGHT, np.float32)
        for row, label in enumerate(self.weights.labels):
            if label:
                column = NAMES.index(label)
                weight[:, column] = self.weights["proj.weight"][row]
                bias[column] = self.weights["proj.bias"][row]
        return weight, bias

    def _linear(self, x: str, name: str) -> str:
        return self.graph.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: str, name: str) -> str:
        """A norm of the transformer layers, which the config may leave without weights."""
        if self.config.norm_affine:
            return self._layer_norm(x, name, self.config.embed_dim, self.config.norm_eps)
        ones = self.graph.constant(np.ones(self.config.embed_dim), np.float32)
        return self.graph.add("LayerNormalization", x, ones, axis=-1, epsilon=self.config.norm_eps)

    def _layer_norm(self, x: str, name: str, width: int, epsilon: float) -> str:
        graph = self.graph
        scale, shift = (
            graph.weight(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)


def alibi_slopes(heads: int) -> list[float]:
    """Return each head's slope: 2^(-8/n) and its powers, n the number of heads.

    Where n is no power of two, those of the power below come first, then every other one of twice that power.
    """
    below = 2 ** (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (index + 1) / below) for index in range(below)]
    if below < heads:
        slopes += alibi_slopes(2 * below)[::2][: heads - below]
    return slopes
