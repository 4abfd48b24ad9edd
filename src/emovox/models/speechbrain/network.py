"""The network of SpeechBrain's emotion recognition as an ONNX graph.

    waveform, normalised → wav2vec 2.0 → all frames of the window normalised together → frames → linear

SpeechBrain takes the mean of the frames and then the linear layer; both are linear, so here the logits of the
whole are the mean of the frames'. To the mean it adds noise of 1e-5 to 9e-5, each time another one; none is added
here. A batch there is normalised together with its padding; here each row gets what it gets alone.

Source: Ravanelli et al. 2021, https://arxiv.org/abs/2106.04624; Wang et al. 2021, https://arxiv.org/abs/2111.02735;
the card and hyperparams.yaml of speechbrain/emotion-recognition-wav2vec2-IEMOCAP on Hugging Face (Apache-2.0), and
speechbrain 1.1.2 (Apache-2.0), integrations/huggingface/wav2vec2.py and nnet/pooling.py.
"""

import numpy as np

from emovox.models.checkpoints.weights import Weights
from emovox.models.onnx.graph import Graph
from emovox.models.onnx.speech import EPSILON
from emovox.models.speechbrain.snapshot import SpeechBrainSnapshot
from emovox.models.speechbrain.weights import HEAD
from emovox.models.wav2vec2.network import TransformersEncoder


class SpeechBrainBuilder(TransformersEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: SpeechBrainSnapshot, weights: Weights) -> None:
        super().__init__(graph, snapshot.encoder, weights)
        self.output_norm, self.labels = snapshot.output_norm, snapshot.labels
        [self.readout] = weights.readouts

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        samples, length = self.valid_samples()
        with self.graph.scope("waveform"):
            waveform = self.waveform(samples, length, epsilon=EPSILON)
        x, valid, frame_count = self.hidden(waveform, samples, length)
        if self.output_norm:
            with self.graph.scope("norm"):
                x = self._norm_together(x, valid)
        self.outputs(x, valid, frame_count)
        bias = f"{HEAD}.bias"
        shift = self.weights[bias] if bias in self.weights else np.zeros(len(self.labels), np.float32)
        self.linear_readout(self.readout.name, self.weights[f"{HEAD}.weight"], shift)

    def _norm_together(self, x: str, valid: str) -> str:
        """All numbers of a row's valid frames brought to zero mean and unit variance, (B, T, D) to the same."""
        graph, width = self.graph, self.config.hidden_size
        zero, axes = graph.number(0), graph.integers(1, 2)
        ones = graph.add("Where", valid, graph.number(width), zero)
        count = graph.add("Max", graph.add("ReduceSum", ones, axes), graph.number(1))
        mean = graph.add("Div", graph.add("ReduceSum", graph.add("Where", valid, x, zero), axes), count)
        rest = graph.add("Where", valid, graph.add("Sub", x, mean), zero)
        variance = graph.add("Div", graph.add("ReduceSum", graph.add("Mul", rest, rest), axes), count)
        return graph.add("Div", rest, graph.add("Sqrt", graph.add("Add", variance, graph.number(EPSILON))))
