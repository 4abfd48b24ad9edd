"""The network of wav2vec 2.0 and its kin as an ONNX graph, built from a snapshot's settings and weights.

    waveform → strided convolutions → projection → + positional convolution → transformer layers
             → the last, or a weighted sum of all → frames → head

Frames are what the head sees, the last layer or the sum. The two layers of transformers' own head, with the mean
over time between them, are linear, so they are one matrix here, and the logits of the whole are the mean of the
frames'. The other head, with tanh between its layers, is computed on the mean of the last layer's frames.

data2vec has several positional convolutions, one upon the other, with a norm behind each; a Conformer has none,
and layers of its own (`conformer`). A head of one layer, as a class that transcribes has it, is linear as it is.

WavLM's attention adds a bias for the distance of two frames to their score: its one table (`distances`) is scaled
by a gate that each layer computes of each frame and head.

Transformers pads a batch with zeros, and a model with `feat_extract_norm: group` is run without an attention mask:
there the padding leaks into every row. Here each row gets what transformers gives it alone.

In a model with `do_stable_layer_norm`, the last of the layers summed is the encoder's output, after its last norm:
so SUPERB's heads were trained (S3PRL hooks the encoder), and so transformers computed up to 4.57. Transformers 5
sums it before the norm (`capture_outputs(tie_last_hidden_states=False)`), which isn't what they were trained on.

Source: Baevski et al. 2020, https://arxiv.org/abs/2006.11477; Hsu et al. 2021, https://arxiv.org/abs/2106.07447;
Chen et al. 2021, https://arxiv.org/abs/2110.13900 (WavLM); Yang et al. 2021, https://arxiv.org/abs/2105.01051
(SUPERB); Baevski et al. 2022, https://arxiv.org/abs/2202.03555 (data2vec); Wagner et al. 2023,
https://arxiv.org/abs/2203.07378, and the card of audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim on Hugging
Face; and models/wav2vec2, models/hubert, models/wavlm and models/data2vec in transformers 4.57 and 5.24
(Apache-2.0), for what each setting means and which weight goes where.
"""

from collections.abc import Mapping

import numpy as np

from emovox.models.checkpoints.weights import Weights
from emovox.models.onnx.graph import Graph
from emovox.models.onnx.speech import EPSILON, NEVER, Convolution, Floats, SpeechEncoder
from emovox.models.snapshot import Grid
from emovox.models.wav2vec2.conformer import Conformer
from emovox.models.wav2vec2.distances import between_frames, bias_table
from emovox.models.wav2vec2.snapshot import CONFORMER, DATA2VEC, ModelConfig, Wav2Vec2Snapshot
from emovox.models.wav2vec2.weights import (
    CLASSIFIER,
    DENSE,
    DISTANCES,
    LAYER_WEIGHTS,
    OUTPUT,
    POSITIONS,
    PROJECTOR,
    SINGLE,
)

# What Wav2Vec2FeatureExtractor adds to the waveform's variance.
WAVEFORM_EPSILON = 1e-7


class TransformersEncoder(SpeechEncoder):
    """Adds the network up to its frames; a head is what each builder adds."""

    def __init__(self, graph: Graph, config: ModelConfig, weights: Mapping[str, Floats]) -> None:
        super().__init__(graph, weights, Grid.of(config.convolutions), config.convolutions)
        self.config = config

    def encode(self, waveform: str, samples: str, length: str) -> None:
        """Add everything between a waveform that is as the model wants it and the frames, their count and mean."""
        self.outputs(*self.hidden(waveform, samples, length))

    def hidden(self, waveform: str, samples: str, length: str) -> tuple[str, str, str]:
        """The same up to the frames (B, T, D): these, which of them are valid (B, T, 1), and `frame_count`."""
        graph = self.graph
        frame_count, frame_total, valid = self.valid_frames(samples, length)
        with graph.scope("front"):
            x = self._front(waveform, samples, frame_total)
        if self.config.model_type != CONFORMER:
            with graph.scope("positions"):
                x = graph.add("Add", x, self._positional(x, valid))
        return self._transformer(x, valid, frame_total), valid, frame_count

    @property
    def layer_shares(self) -> list[float]:
        """Of the first layer's input and of each layer's output in the sum; empty: the last is taken alone."""
        return self.shares(LAYER_WEIGHTS) if LAYER_WEIGHTS in self.weights else []

    def _front(self, waveform: str, samples: str, frame_total: str) -> str:
        """The strided convolutions and the projection: (B, N) to (B, T, D)."""
        config = self.config
        by_layer = config.feat_extract_norm == "layer"
        parts = []
        for index in range(len(config.convolutions)):
            name = f"feature_extractor.conv_layers.{index}"
            norm = f"{name}.layer_norm" if by_layer or index == 0 else None
            parts.append(Convolution(f"{name}.conv", norm, bias=config.conv_bias))
        x = self.front(waveform, samples, frame_total, parts, over_time=not by_layer)
        if config.feat_proj_layer_norm:
            x = self.layer_norm(x, "feature_projection.layer_norm", config.layer_norm_eps)
        return self.linear(x, "feature_projection.projection")

    def _positional(self, x: str, valid: str) -> str:
        """A convolution over neighbouring frames, (B, T, D) to the same; it sees nothing but valid frames."""
        graph, name, groups = self.graph, f"{POSITIONS}.conv", self.config.num_conv_pos_embedding_groups
        if self.config.model_type == DATA2VEC:
            for index in range(self.config.num_conv_pos_embeddings):
                name = f"{POSITIONS}.layers.{index}.conv"
                x = self.neighbours(x, valid, name, self.weights[f"{name}.weight"], groups=groups)
                x = graph.add("Gelu", self.plain_norm(x, self.config.hidden_size))
            return x
        if self.config.conv_pos_batch_norm:
            scale, shift = self._batch_norm()
            x = graph.add("Mul", x, graph.weight(f"{POSITIONS}.batch_norm.scale", scale))
            x = graph.add("Add", x, graph.weight(f"{POSITIONS}.batch_norm.shift", shift))
            kernel = self.weights[f"{name}.weight"]
        else:  # each step of the kernel has its own length, and a direction
            direction = self.weights[f"{name}.weight_v"].astype(np.float64)
            length = np.sqrt(np.square(direction).sum(axis=(0, 1), keepdims=True))
            kernel = (self.weights[f"{name}.weight_g"] / length * direction).astype(np.float32)
        x = self.neighbours(x, valid, name, kernel, groups=groups)
        return graph.add("Gelu", x)

    def _batch_norm(self) -> tuple[Floats, Floats]:
        """What a batch norm that no longer learns multiplies by and adds, (D,) each."""
        weight, bias, mean, variance = (
            self.weights[f"{POSITIONS}.batch_norm.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + EPSILON)
        return scale.astype(np.float32), (bias - mean * scale).astype(np.float32)

    def _transformer(self, x: str, valid: str, frame_total: str) -> str:
        """The layers, (B, T, D) to the same: the last one's output, or the weighted sum of all and their input."""
        graph, config = self.graph, self.config
        with graph.scope("biases"):
            bias = graph.add("Where", valid, graph.number(0), graph.number(NEVER))
            bias = graph.add("Unsqueeze", graph.add("Squeeze", bias, graph.integers(2)), graph.integers(1, 2))
            by_distance = self._by_distance(frame_total) if config.model_type == "wavlm" else None
        conformer = Conformer(self, config, frame_total, valid) if config.model_type == CONFORMER else None
        norm_last = config.do_stable_layer_norm or conformer is not None
        if not norm_last:
            x = self._norm(x, "encoder.layer_norm")
        shares = self.layer_shares
        total = graph.add("Mul", x, graph.number(shares[0])) if shares else ""
        for index in range(config.num_hidden_layers):
            name = f"encoder.layers.{index}"
            with graph.scope(name):
                x = conformer.layer(x, name, bias) if conformer else self._layer(x, name, bias, by_distance)
            if norm_last and index == config.num_hidden_layers - 1:
                x = self._norm(x, "encoder.layer_norm")
            if shares:  # at once: no layer's output is kept for the end
                total = graph.add("Add", total, graph.add("Mul", x, graph.number(shares[index + 1])))
        return total or x

    def _layer(self, x: str, name: str, bias: str, by_distance: str | None) -> str:
        """One transformer layer, (B, T, D) to the same."""
        add = self.graph.add
        before, after = f"{name}.layer_norm", f"{name}.final_layer_norm"
        if self.config.do_stable_layer_norm:
            x = add("Add", x, self._attention(self._norm(x, before), name, bias, by_distance))
            return add("Add", x, self._middle(self._norm(x, after), name))
        x = self._norm(add("Add", x, self._attention(x, name, bias, by_distance)), before)
        return self._norm(add("Add", x, self._middle(x, name)), after)

    def _middle(self, x: str, name: str) -> str:
        with self.graph.scope("feed_forward"):
            x = self.activation(self.linear(x, f"{name}.feed_forward.intermediate_dense"), self.config.hidden_act)
            return self.linear(x, f"{name}.feed_forward.output_dense")

    def _attention(self, x: str, name: str, bias: str, by_distance: str | None) -> str:
        """Multi-head self-attention, (B, T, D) to the same; its three projections are one product."""
        weight, shift = (
            np.concatenate([self.weights[f"{name}.attention.{part}_proj.{kind}"] for part in "qkv"])
            for kind in ("weight", "bias")
        )
        with self.graph.scope("attention"):
            projected = self.graph.linear(x, f"{name}.attention.qkv", weight, shift)
            width, heads = self.config.hidden_size, self.config.num_attention_heads
            if by_distance is not None:
                gates = self._gates(x, f"{name}.attention")
                bias = self.graph.add("Add", self.graph.add("Mul", gates, by_distance), bias)
            mixed = self.attention(projected, bias, width=width, heads=heads)
            return self.linear(mixed, f"{name}.attention.out_proj")

    def _by_distance(self, frame_total: str) -> str:
        """What the first layer's table adds for each pair of frames, (heads, T, T)."""
        greatest = self.config.max_bucket_distance
        table = self.graph.weight(DISTANCES, bias_table(self.weights[DISTANCES], greatest))
        return between_frames(self.graph, frame_total, table, greatest)

    def _gates(self, x: str, name: str) -> str:
        """What each frame and head scales that by: (B, heads, T, 1) of (B, T, D).

        Each of its two sigmoids is of the sum of four linear functions of the head's channels, which is one. Those
        of all heads are one matrix, zero where a channel is another head's, and float32 in every precision.
        """
        graph, heads = self.graph, self.config.num_attention_heads
        name_of = f"{name}.gru_rel_pos_linear"
        rows = self.weights[f"{name_of}.weight"].astype(np.float64).reshape(2, 4, -1).sum(axis=1)
        shifts = self.weights[f"{name_of}.bias"].astype(np.float64).reshape(2, 4).sum(axis=1)
        matrix = np.concatenate([np.kron(np.eye(heads), row[:, None]) for row in rows], axis=1)  # (D, 2 x heads)
        x = graph.add("MatMul", x, graph.weight(f"{name_of}.weight", matrix.astype(np.float32)))
        bias = np.repeat(shifts, heads).astype(np.float32)
        x = graph.add("Sigmoid", graph.add("Add", x, graph.weight(f"{name_of}.bias", bias)))
        first, second = graph.split(x, [heads, heads], axis=2)
        scale = graph.weight(f"{name}.gru_rel_pos_const", self.weights[f"{name}.gru_rel_pos_const"].reshape(heads))
        inner = graph.add("Sub", graph.add("Mul", second, scale), graph.number(1))
        gates = graph.add("Add", graph.add("Mul", first, inner), graph.number(2))
        return graph.add("Unsqueeze", graph.add("Transpose", gates, perm=[0, 2, 1]), graph.integers(3))

    def _norm(self, x: str, name: str) -> str:
        return self.layer_norm(x, name, self.config.layer_norm_eps)


class Wav2Vec2Builder(TransformersEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: Wav2Vec2Snapshot, weights: Weights) -> None:
        super().__init__(graph, snapshot.config, weights)
        self.normalize = snapshot.normalize
        self.readouts = weights.readouts

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        samples, length = self.valid_samples()
        with self.graph.scope("waveform"):
            waveform = self.waveform(samples, length, epsilon=WAVEFORM_EPSILON if self.normalize else None)
        self.encode(waveform, samples, length)
        for readout in self.readouts:
            if readout.kind == "linear":
                self.linear_readout(readout.name, *self._linear_head())
            else:
                self.pooled_readout(readout.name, [self._layer_of(name) for name in (DENSE, OUTPUT)], "Tanh")

    def _linear_head(self) -> tuple[Floats, Floats]:
        """A single layer, or the projector and the classifier in one: (outputs, D) and (outputs,)."""
        if f"{SINGLE}.weight" in self.weights:
            return self._layer_of(SINGLE)
        (first, shift), (second, bias) = (self._layer_of(name) for name in (PROJECTOR, CLASSIFIER))
        weight = second.astype(np.float64)
        return (weight @ first.astype(np.float64)).astype(np.float32), (weight @ shift + bias).astype(np.float32)

    def _layer_of(self, name: str) -> tuple[Floats, Floats]:
        """A layer of the head: (outputs, inputs) and (outputs,)."""
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
