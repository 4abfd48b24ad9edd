"""Vox-Profile's network as an ONNX graph.

    waveform → Whisper's encoder, its last layer; or WavLM, a weighted sum of its layers
             → three layers of each frame by itself → frames → their mean → dense, ReLU, dense for each head

Frames are what the mean is taken of, so the embedding is what the authors call a feature. Of Whisper's positions
their code takes those of the recording alone, as here; its encoder sees the silence behind it, up to 15 s. What
is longer than that, their code cuts off; here it is the next piece.

Source: Feng et al. 2025, https://arxiv.org/abs/2505.14648; the classes WhisperWrapper and WavLMWrapper in
https://github.com/tiantiaf0627/vox-profile-release, src/model/emotion, as copies of it have them. Their WavLM is
transformers' up to 4.57: the last of the layers summed is the encoder's output, after its last norm.
"""

import numpy as np

from emovox.models.checkpoints.weights import Weights
from emovox.models.onnx.graph import Graph
from emovox.models.onnx.speech import Floats, SpeechEncoder
from emovox.models.transformers import DIMENSIONS
from emovox.models.voxprofile.snapshot import VoxProfileSnapshot
from emovox.models.voxprofile.weights import LAYERS, heads_of
from emovox.models.wav2vec2.network import WAVEFORM_EPSILON, TransformersEncoder
from emovox.models.wav2vec2.snapshot import ModelConfig
from emovox.models.wav2vec2.weights import LAYER_WEIGHTS
from emovox.models.whisper.network import WhisperEncoder
from emovox.models.whisper.snapshot import WhisperConfig


def build(graph: Graph, snapshot: VoxProfileSnapshot, weights: Weights) -> None:
    """Add everything between the inputs and the outputs of the model contract to a graph."""
    if isinstance(snapshot.encoder, WhisperConfig):
        _on_whisper(graph, snapshot.encoder, weights)
    else:
        _on_wavlm(graph, snapshot, snapshot.encoder, weights)


def _on_whisper(graph: Graph, config: WhisperConfig, weights: Weights) -> None:
    builder = WhisperEncoder(graph, config, weights)
    pieces = builder.cut()
    x = builder.joined(builder.encode(pieces.signal), pieces, config.d_model)
    valid = builder.below(pieces.frame_count, pieces.frame_total)
    builder.outputs(_frames(builder, x), valid, pieces.frame_count)
    _heads(builder, weights)


class _WavLM(TransformersEncoder):
    """WavLM, whose layers are summed with or without the first one's input."""

    @property
    def layer_shares(self) -> list[float]:
        """Of the first layer's input and of each layer's output in the sum, 1 together."""
        shares = self.shares(LAYER_WEIGHTS)
        return [0.0] * (self.config.num_hidden_layers + 1 - len(shares)) + shares


def _on_wavlm(graph: Graph, snapshot: VoxProfileSnapshot, config: ModelConfig, weights: Weights) -> None:
    builder = _WavLM(graph, config, weights)
    samples, length = builder.valid_samples()
    large = snapshot.config.pretrain_model == "wavlm_large"  # their class normalises the waveform for that alone
    with graph.scope("waveform"):
        waveform = builder.waveform(samples, length, epsilon=WAVEFORM_EPSILON if large else None)
    x, valid, frame_count = builder.hidden(waveform, samples, length)
    builder.outputs(_frames(builder, x), valid, frame_count)
    _heads(builder, weights)


def _frames(builder: SpeechEncoder, x: str) -> str:
    """The layers of each frame by itself, (B, T, D) of the encoder's output."""
    for index, name in enumerate(LAYERS):
        weight = builder.weights[f"{name}.weight"][:, :, 0]
        x = builder.graph.add("Relu", x) if index else x
        x = builder.graph.linear(x, name, weight, builder.weights[f"{name}.bias"])
    return x


def _heads(builder: SpeechEncoder, weights: Weights) -> None:
    for readout in weights.readouts:
        values = readout.name == DIMENSIONS
        layers = _layers(weights, heads_of(readout.name))
        builder.pooled_readout(readout.name, layers, "Relu", "Sigmoid" if values else None)


def _layers(weights: Weights, names: tuple[str, ...]) -> list[tuple[Floats, Floats]]:
    """The two layers of heads side by side, weight (outputs, inputs) and bias each: of each its own middle."""
    first, second = ([weights[f"{name}.{index}.weight"] for name in names] for index in (0, 2))
    shifts = [np.concatenate([weights[f"{name}.{index}.bias"] for name in names]) for index in (0, 2)]
    rows, width = second[0].shape
    joined = np.zeros((rows * len(names), width * len(names)), np.float32)
    for index, block in enumerate(second):
        joined[index * rows : (index + 1) * rows, index * width : (index + 1) * width] = block
    return [(np.concatenate(first), shifts[0]), (joined, shifts[1])]
