"""Whisper's encoder as an ONNX graph, built from a snapshot's settings and weights.

    waveform → pieces of as many seconds as the encoder sees, padded with zeros → log-mel spectrogram
             → two convolutions → + positions → transformer layers → frames → head

The encoder always sees its whole length, mostly 30 s, and has no mask: what lies behind the speech is silence that
it sees. Transformers' class takes the mean over all positions, those of the padding among them, of which a short
recording has many more than of its own. Frames here are those of the recording alone, and so is their mean, the
embedding. The logits of the whole are the class's: to each frame's is added what the mean over all positions has
more than the mean over the recording's, so that the curve explains the verdict here, too.

A waveform that is longer than the encoder sees is cut into pieces, each of which counts by its frames. The
authors' extractor takes the first and leaves out the rest.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356; models/whisper in transformers 4.57 and 5.24
(Apache-2.0), for what each setting means and which weight goes where.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from emovox.models.checkpoints.weights import Weights
from emovox.models.onnx.graph import END, Graph
from emovox.models.onnx.speech import Floats, SpeechEncoder
from emovox.models.whisper.snapshot import GRID, WhisperConfig, WhisperSnapshot
from emovox.models.whisper.spectrogram import log_mel
from emovox.models.whisper.weights import CLASSIFIER, LAYER_WEIGHTS, POSITIONS, PROJECTOR


class Pieces(NamedTuple):
    """The waveform cut into pieces of P positions, C of each row of the batch.

    Attributes:
        signal: (B x C, 320 x P), zeros beyond the valid samples.
        counts: valid frames of each, (B x C,).
        number: C, a vector of one.
        valid: which positions of each are, (B x C, P, 1).
        frame_count: of each row, (B,): the output of the contract.
        frame_total: T, the most of them, a vector of one.
    """

    signal: str
    counts: str
    number: str
    valid: str
    frame_count: str
    frame_total: str


class WhisperEncoder(SpeechEncoder):
    """Adds the network up to its frames; a head is what each builder adds."""

    def __init__(self, graph: Graph, config: WhisperConfig, weights: Mapping[str, Floats]) -> None:
        super().__init__(graph, weights, GRID)
        self.config = config

    def cut(self) -> Pieces:
        """Cut the batch's waveforms into pieces, one after the other on one grid of frames."""
        graph, positions = self.graph, self.config.max_source_positions
        size = positions * self.hop
        samples, length = self.valid_samples()
        with graph.scope("waveform"):
            waveform = self.waveform(samples, length, epsilon=None)
        with graph.scope("frames"):
            one, zero = graph.integers(1), graph.integers(0)
            frame_count = graph.add("Max", self.frames_of(samples), zero, output="frame_count")
            total = graph.add("ReduceMax", frame_count, zero)
            longest = graph.add("Add", graph.add("ReduceMax", samples, zero), graph.integers(size - 1))
            number = graph.add("Max", graph.add("Div", longest, graph.integers(size)), one)
            starts = graph.add("Mul", graph.count(number), graph.integers(size))
            rest = graph.add("Sub", graph.add("Unsqueeze", samples, one), starts)
            rest = graph.add("Min", graph.add("Max", rest, zero), graph.integers(size))
            counts = graph.add("Max", self.frames_of(graph.add("Reshape", rest, graph.integers(-1))), zero)
            valid = self.below(counts, graph.integers(positions))
        with graph.scope("pieces"):
            needed = graph.add("Mul", number, graph.integers(size))
            missing = graph.add("Max", graph.add("Sub", needed, length), zero)
            waveform = graph.add("Pad", waveform, graph.add("Concat", graph.integers(0, 0, 0), missing, axis=0))
            signal = graph.add("Reshape", graph.slice(waveform, 0, needed, axis=1), graph.integers(-1, size))
        return Pieces(signal, counts, number, valid, frame_count, total)

    def encode(self, signal: str) -> str:
        """The output of every position, (R, P, D) of (R, 320 x P): the last layer's, or the sum of all."""
        graph, config = self.graph, self.config
        with graph.scope("spectrogram"):
            x = log_mel(graph, signal, bands=config.num_mel_bins, steps=2 * config.max_source_positions)
        with graph.scope("front"):
            x = self._front(x)
            x = graph.add("Add", x, graph.weight(POSITIONS, self.weights[POSITIONS]))
        shares = self.shares(LAYER_WEIGHTS) if LAYER_WEIGHTS in self.weights else []
        total = graph.add("Mul", x, graph.number(shares[0])) if shares else ""
        for index in range(config.encoder_layers):
            with graph.scope(f"layers.{index}"):
                x = self._layer(x, f"layers.{index}")
            if index == config.encoder_layers - 1:
                x = self.layer_norm(x, "layer_norm")
            if shares:  # at once: no layer's output is kept for the end
                total = graph.add("Add", total, graph.add("Mul", x, graph.number(shares[index + 1])))
        return total or x

    def joined(self, x: str, pieces: Pieces, width: int) -> str:
        """The pieces one after the other, cut to the longest row: (B, T, width) of (B x C, P, width)."""
        graph = self.graph
        length = graph.add("Mul", pieces.number, graph.integers(self.config.max_source_positions))
        shape = graph.add("Concat", graph.integers(-1), length, graph.integers(width), axis=0)
        return graph.slice(graph.add("Reshape", x, shape), 0, pieces.frame_total, axis=1)

    def _front(self, x: str) -> str:
        """Two convolutions of three steps each, the second at every other: (R, 2 x P, bands) to (R, P, D)."""
        graph, config = self.graph, self.config
        x = graph.add("Pad", x, graph.integers(0, 1, 0, 0, 1, 0))
        steps = [graph.slice(x, first, first - 2 or END, axis=1) for first in range(3)]
        x = graph.add("Gelu", self._steps("conv1", graph.add("Concat", *steps, axis=2)))
        x = graph.add("Pad", x, graph.integers(0, 1, 0, 0, 1, 0))
        pairs = graph.add("Reshape", x, graph.integers(0, -1, 2 * config.d_model))
        last = graph.slice(graph.slice(pairs, 1, END, axis=1), 0, config.d_model, axis=2)
        steps = [graph.slice(pairs, 0, -1, axis=1), last]
        return graph.add("Gelu", self._steps("conv2", graph.add("Concat", *steps, axis=2)))

    def _steps(self, name: str, x: str) -> str:
        """A convolution as one product with neighbouring steps side by side, (R, steps, 3 x channels)."""
        kernel = self.weights[f"{name}.weight"]  # (width, channels, 3)
        matrix = kernel.transpose(0, 2, 1).reshape(len(kernel), -1)
        return self.graph.linear(x, name, matrix, self.weights[f"{name}.bias"])

    def _layer(self, x: str, name: str) -> str:
        """One transformer layer, (R, P, D) to the same."""
        graph = self.graph
        with graph.scope("attention"):
            normal = self.layer_norm(x, f"{name}.self_attn_layer_norm")
            x = graph.add("Add", x, self._attention(normal, f"{name}.self_attn"))
        with graph.scope("feed_forward"):
            normal = self.layer_norm(x, f"{name}.final_layer_norm")
            middle = graph.add("Gelu", self.linear(normal, f"{name}.fc1"))
            return graph.add("Add", x, self.linear(middle, f"{name}.fc2"))

    def _attention(self, x: str, name: str) -> str:
        """Multi-head self-attention; its three projections are one product, and keys have no bias."""
        parts = [self.weights[f"{name}.{part}_proj.weight"] for part in "qkv"]
        query, value = (self.weights[f"{name}.{part}_proj.bias"] for part in "qv")
        shift = np.concatenate([query, np.zeros_like(query), value])
        projected = self.graph.linear(x, f"{name}.qkv", np.concatenate(parts), shift)
        width, heads = self.config.d_model, self.config.encoder_attention_heads
        return self.linear(self.attention(projected, None, width=width, heads=heads), f"{name}.out_proj")


class WhisperBuilder(WhisperEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: WhisperSnapshot, weights: Weights) -> None:
        super().__init__(graph, snapshot.config, weights)
        self.readouts = weights.readouts

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        graph, width = self.graph, self.config.d_model
        pieces = self.cut()
        x = self.encode(pieces.signal)
        valid = self.below(pieces.frame_count, pieces.frame_total)
        self.outputs(self.joined(x, pieces, width), valid, pieces.frame_count)
        for readout in self.readouts:
            with graph.scope("padding"):
                excess = self.joined(self._excess(x, pieces), pieces, width)
            self.linear_readout(readout.name, *self._head(), excess=excess)

    def _excess(self, x: str, pieces: Pieces) -> str:
        """What the mean over all positions of a piece has more than that over its valid ones: (B x C, P, D)."""
        graph = self.graph
        count = graph.add("Cast", graph.add("Max", pieces.counts, graph.integers(1)), to=TensorProto.FLOAT)
        count = graph.add("Unsqueeze", count, graph.integers(1, 2))
        total = graph.add("ReduceSum", graph.add("Where", pieces.valid, x, graph.number(0)), graph.integers(1))
        excess = graph.add("Sub", graph.add("ReduceMean", x, graph.integers(1)), graph.add("Div", total, count))
        return graph.add("Expand", excess, graph.add("Shape", x))

    def _head(self) -> tuple[Floats, Floats]:
        """The projector and the classifier in one: (outputs, D) and (outputs,)."""
        (first, shift), (second, bias) = (
            (self.weights[f"{name}.weight"].astype(np.float64), self.weights[f"{name}.bias"])
            for name in (PROJECTOR, CLASSIFIER)
        )
        return (second @ first).astype(np.float32), (second @ shift + bias).astype(np.float32)
