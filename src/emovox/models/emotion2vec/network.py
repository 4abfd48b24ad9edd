"""The Emotion2Vec network as an ONNX graph, built from a snapshot's config and weights under the model contract.

    waveform → strided convolutions → projection → + positional convolutions → extra tokens
             → transformer layers of the modality, then the shared ones → frames → head

FunASR computes one recording at a time; here a batch gives each row what it would get alone.

Source: Ma et al. 2023, https://arxiv.org/abs/2312.15185; Baevski et al. 2022, https://arxiv.org/abs/2212.07525
(data2vec 2.0, whose encoder it is); Press et al. 2022, https://arxiv.org/abs/2108.12409 (ALiBi); and
funasr/models/emotion2vec in FunASR 1.4.16 (MIT), for what each setting means and which weight goes where.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from emovox.models.checkpoints.weights import Weights
from emovox.models.emotion2vec.snapshot import Emotion2VecSnapshot, trained_rows
from emovox.models.onnx.graph import END, Graph
from emovox.models.onnx.speech import EPSILON, NEVER, Convolution, SpeechEncoder

_AUDIO = "modality_encoders.AUDIO"


class Emotion2VecBuilder(SpeechEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: Emotion2VecSnapshot, weights: Weights) -> None:
        super().__init__(graph, weights, snapshot.grid, snapshot.config.audio.feature_encoder_spec)
        self.config, self.tokens = snapshot.config, snapshot.tokens
        self.weights: Weights = weights

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        graph = self.graph
        samples, length = self.valid_samples()
        with graph.scope("waveform"):
            waveform = self.waveform(samples, length, epsilon=EPSILON if self.config.normalize else None)
        frame_count, frame_total, valid = self.valid_frames(samples, length)
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
        self.outputs(x, valid, frame_count)
        for readout in self.weights.readouts:
            rows = trained_rows(self.tokens)
            self.linear_readout(readout.name, self.weights["proj.weight"][rows], self.weights["proj.bias"][rows])

    def _front(self, waveform: str, samples: str, frame_total: str) -> str:
        """The strided convolutions and the projection: (B, N) to (B, T, D)."""
        audio = self.config.audio
        by_layer = audio.extractor_mode == "layer_norm"
        parts = []
        for index in range(len(audio.feature_encoder_spec)):
            name = f"{_AUDIO}.local_encoder.conv_layers.{index}"
            norm = f"{name}.2.1" if by_layer else f"{name}.2" if index == 0 else None
            parts.append(Convolution(f"{name}.0", norm))
        x = self.front(waveform, samples, frame_total, parts, over_time=not by_layer)
        x = self.layer_norm(x, f"{_AUDIO}.project_features.1")
        return self.linear(x, f"{_AUDIO}.project_features.2")

    def _positional(self, x: str, valid: str) -> str:
        """Convolutions over neighbouring frames, (B, T, D) to the same; none sees anything but valid frames."""
        graph, audio, width = self.graph, self.config.audio, self.config.embed_dim
        encoder = f"{_AUDIO}.relative_positional_encoder"
        if audio.conv_pos_pre_ln:
            x = self.layer_norm(x, f"{encoder}.0")
            encoder += ".1"
        ones = graph.constant(np.ones(width), np.float32)
        for index in range(audio.conv_pos_depth):
            name = f"{encoder}.{index + 1}.0"
            with graph.scope(f"conv{index}"):
                kernel = self.weights[f"{name}.weight"]
                x = self.neighbours(x, valid, name, kernel, groups=audio.conv_pos_groups)
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

        S counts the extra tokens too. Padded keys get `NEVER`; with ALiBi, keys also fade with their distance
        from the query, by a slope of each head. The extra tokens are near to everything. A layer with slopes of
        its own adds its bias itself, so that there is one in memory at a time.
        """
        graph, audio = self.graph, self.config.audio
        layers = audio.prenet_depth + self.config.depth
        tokens = audio.num_extra_tokens
        masked = graph.add("Where", valid, graph.number(0), graph.number(NEVER))
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
            x = self.graph.add("Gelu", self.linear(x, f"{name}.mlp.fc1"))
            return self.linear(x, f"{name}.mlp.fc2")

    def _attention(self, x: str, name: str, bias: str) -> str:
        """Multi-head self-attention, (B, S, D) to the same, in plain operators that every engine has."""
        with self.graph.scope("attn"):
            projected = self.linear(x, f"{name}.attn.qkv")
            mixed = self.attention(projected, bias, width=self.config.embed_dim, heads=self.config.num_heads)
            return self.linear(mixed, f"{name}.attn.proj")

    def _norm(self, x: str, name: str) -> str:
        """A norm of the transformer layers, which the config may leave without weights."""
        if self.config.norm_affine:
            return self.layer_norm(x, name, self.config.norm_eps)
        ones = self.graph.constant(np.ones(self.config.embed_dim), np.float32)
        return self.graph.add("LayerNormalization", x, ones, axis=-1, epsilon=self.config.norm_eps)


def alibi_slopes(heads: int) -> list[float]:
    """Return each head's slope: 2^(-8/n) and its powers, n the number of heads.

    Where n is no power of two, those of the power below come first, then every other one of twice that power.
    """
    below = 2 ** (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (index + 1) / below) for index in range(below)]
    if below < heads:
        slopes += alibi_slopes(2 * below)[::2][: heads - below]
    return slopes
