"""The layers of wav2vec2-conformer as parts of an ONNX graph.

    half a feed-forward part → attention → convolution over neighbouring frames → the other half → norm

Attention knows of distances by sinusoids of them, or by turning pairs of channels with the place of a frame. The
convolution sees valid frames alone.

Source: Gulati et al. 2020, https://arxiv.org/abs/2005.08100; Dai et al. 2019, https://arxiv.org/abs/1901.02860,
section 3.3, for relative positions; Su et al. 2021, https://arxiv.org/abs/2104.09864, for rotary ones, which here
turn a layer's input before its projections; models/wav2vec2_conformer in transformers 4.57 and 5.24 (Apache-2.0).
"""

import math

import numpy as np
from onnx import TensorProto

from emovox.models.onnx.graph import END
from emovox.models.onnx.speech import EPSILON, Floats, SpeechEncoder
from emovox.models.wav2vec2.snapshot import ModelConfig
from emovox.models.wav2vec2.weights import WAVES


class Conformer:
    """Adds the layers of a network to its graph."""

    def __init__(self, encoder: SpeechEncoder, config: ModelConfig, frame_total: str, valid: str) -> None:
        """Add what all layers share.

        Args:
            encoder: whose graph and weights they are.
            config: of the model.
            frame_total: T, a vector of one.
            valid: which frames are, (B, T, 1).
        """
        self.encoder, self.graph, self.weights = encoder, encoder.graph, encoder.weights
        self.config, self.valid, self.frame_total = config, valid, frame_total
        self.heads = config.num_attention_heads
        self.head_width = config.hidden_size // self.heads
        with self.graph.scope("positions"):
            if config.position_embeddings_type == "relative":
                self.distances = self._sinusoids()
            elif config.position_embeddings_type == "rotary":
                self.turns = self._turns()

    def layer(self, x: str, name: str, bias: str) -> str:
        """One layer, (B, T, D) to the same; ``bias`` is what padded frames add to scores."""
        graph, encoder = self.graph, self.encoder
        x = graph.add("Add", self._half(x, f"{name}.ffn1"), x)
        with graph.scope("attention"):
            x = graph.add("Add", x, self._attention(self._norm(x, f"{name}.self_attn_layer_norm"), name, bias))
        with graph.scope("convolution"):
            x = graph.add("Add", x, self._convolution(x, f"{name}.conv_module"))
        x = graph.add("Add", self._half(x, f"{name}.ffn2"), x)
        return encoder.layer_norm(x, f"{name}.final_layer_norm")

    def _norm(self, x: str, name: str) -> str:
        return self.encoder.layer_norm(x, name)

    def _half(self, x: str, name: str) -> str:
        """Half of what a feed-forward part gives."""
        encoder = self.encoder
        with self.graph.scope(name.rpartition(".")[2]):
            x = encoder.linear(self._norm(x, f"{name}_layer_norm"), f"{name}.intermediate_dense")
            x = encoder.linear(encoder.activation(x, self.config.hidden_act), f"{name}.output_dense")
            return self.graph.add("Mul", x, self.graph.number(0.5))

    def _convolution(self, x: str, name: str) -> str:
        """Gated channels, a convolution of each over neighbouring frames, and a norm that no longer learns."""
        graph, encoder, width = self.graph, self.encoder, self.config.hidden_size
        x = self._pointwise(self._norm(x, f"{name}.layer_norm"), f"{name}.pointwise_conv1")
        value, gate = graph.split(x, [width, width], axis=2)
        x = graph.add("Mul", value, graph.add("Sigmoid", gate))
        kernel, shift = self._with_norm(f"{name}.depthwise_conv", f"{name}.batch_norm")
        x = encoder.neighbours(x, self.valid, f"{name}.depthwise_conv", kernel, groups=width, bias=shift)
        return self._pointwise(encoder.activation(x, self.config.hidden_act), f"{name}.pointwise_conv2")

    def _pointwise(self, x: str, name: str) -> str:
        return self.graph.product(x, f"{name}.weight", self.weights[f"{name}.weight"][:, :, 0].T)

    def _with_norm(self, name: str, norm: str) -> tuple[Floats, Floats]:
        """The kernel (D, 1, width) and the bias (D,) of a convolution without one, and of the norm behind it."""
        weight, bias, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + EPSILON)
        kernel = self.weights[f"{name}.weight"] * scale[:, None, None]
        return kernel.astype(np.float32), (bias - mean * scale).astype(np.float32)

    def _attention(self, x: str, name: str, bias: str) -> str:
        graph, encoder, name = self.graph, self.encoder, f"{name}.self_attn"
        turned = self._turned(x) if self.config.position_embeddings_type == "rotary" else x
        query, key, value = (
            self._split(encoder.linear(source, f"{name}.linear_{part}"))
            for part, source in (("q", turned), ("k", turned), ("v", x))
        )
        keys = graph.add("Transpose", key, perm=[0, 2, 3, 1])
        if self.config.position_embeddings_type == "relative":
            scores = graph.add("MatMul", self._shifted(query, f"{name}.pos_bias_u"), keys)
            scores = graph.add("Add", scores, self._by_distance(query, name))
        else:
            scores = graph.add("MatMul", graph.add("Transpose", query, perm=[0, 2, 1, 3]), keys)
        scores = graph.add("Add", graph.add("Mul", scores, graph.number(self.head_width**-0.5)), bias)
        value = graph.add("Transpose", value, perm=[0, 2, 1, 3])
        mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
        mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = graph.add("Reshape", mixed, graph.integers(0, 0, self.config.hidden_size))
        return encoder.linear(mixed, f"{name}.linear_out")

    def _split(self, x: str) -> str:
        """(B, T, heads, width) of (B, T, D)."""
        return self.graph.add("Reshape", x, self.graph.integers(0, 0, self.heads, self.head_width))

    def _shifted(self, query: str, name: str) -> str:
        """Queries with a shift of each head, (B, heads, T, width)."""
        shifted = self.graph.add("Add", query, self.graph.weight(name, self.weights[name]))
        return self.graph.add("Transpose", shifted, perm=[0, 2, 1, 3])

    def _by_distance(self, query: str, name: str) -> str:
        """What each query gives each distance, brought from its column to the key's: (B, heads, T, T)."""
        graph = self.graph
        places = graph.product(
            self.distances, f"{name}.linear_pos.weight", self.weights[f"{name}.linear_pos.weight"].T
        )
        places = graph.add("Reshape", places, graph.integers(-1, self.heads, self.head_width))
        places = graph.add("Transpose", places, perm=[1, 2, 0])
        scores = graph.add("MatMul", self._shifted(query, f"{name}.pos_bias_v"), places)  # (B, heads, T, 2 T - 1)
        # One column more, and rows of T: then each row of what was one begins a column further left.
        scores = graph.add("Pad", scores, graph.integers(0, 0, 0, 1, 0, 0, 0, 0))
        same = graph.integers(0, 0)
        scores = graph.add(
            "Reshape", scores, graph.add("Concat", same, graph.integers(-1), self.frame_total, axis=0)
        )
        scores = graph.slice(scores, 1, END, axis=2)
        scores = graph.add(
            "Reshape", scores, graph.add("Concat", same, self.frame_total, graph.integers(-1), axis=0)
        )
        return graph.slice(scores, 0, self.frame_total, axis=3)

    def _sinusoids(self) -> str:
        """Of the distances T - 1 … 0 … 1 - T, (2 T - 1, D): sine and cosine in turn."""
        graph, width = self.graph, self.config.hidden_size
        number = graph.add("Sub", graph.add("Mul", self.frame_total, graph.integers(2)), graph.integers(1))
        number = graph.add("Max", number, graph.integers(0))
        last = graph.add("Sub", self.frame_total, graph.integers(1))
        distances = graph.add("Cast", graph.add("Sub", last, graph.count(number)), to=TensorProto.FLOAT)
        rates = np.exp(np.arange(0, width, 2, dtype=np.float32) * np.float32(-math.log(10000.0) / width))
        angles = graph.add("Unsqueeze", distances, graph.integers(1))
        angles = graph.add("Mul", angles, graph.constant(rates, np.float32))
        pairs = [graph.add("Unsqueeze", graph.add(wave, angles), graph.integers(2)) for wave in ("Sin", "Cos")]
        return graph.add("Reshape", graph.add("Concat", *pairs, axis=2), graph.integers(-1, width))

    def _turns(self) -> tuple[str, str]:
        """Cosines and sines of each frame's place, (T, 1, width) each: alike for the halves of a head."""
        graph = self.graph
        half = np.arange(0, self.head_width, 2, dtype=np.float32) / np.float32(self.head_width)
        usual = 1 / np.float32(self.config.rotary_embedding_base) ** half
        rates = self.weights[WAVES] if WAVES in self.weights else usual.astype(np.float32)
        places = graph.add("Cast", graph.count(self.frame_total), to=TensorProto.FLOAT)
        places = graph.add("Unsqueeze", places, graph.integers(1, 2))
        angles = graph.add("Mul", places, graph.constant(np.concatenate([rates, rates]), np.float32))
        return graph.add("Cos", angles), graph.add("Sin", angles)

    def _turned(self, x: str) -> str:
        """Each pair of channels turned by its angle, (B, T, D) to the same."""
        graph, half = self.graph, self.head_width // 2
        cosines, sines = self.turns
        x = self._split(x)
        first, second = graph.split(x, [half, half], axis=3)
        crossed = graph.add("Concat", graph.add("Neg", second), first, axis=3)
        x = graph.add("Add", graph.add("Mul", x, cosines), graph.add("Mul", crossed, sines))
        return graph.add("Reshape", x, graph.integers(0, 0, self.config.hidden_size))
