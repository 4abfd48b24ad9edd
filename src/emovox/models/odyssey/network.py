"""The network of the Odyssey 2024 baselines as an ONNX graph.

    waveform, less one number and divided by another → WavLM → frames
             → weights of the frames → their weighted mean and deviation → dense, norm, ReLU → outputs

The authors' code takes a row's frames to be ⌊(samples - 1) / 320⌋ + 1, one or two more than there are. Alone that
does no harm, but in a batch frames of the padding get a weight. Here each row gets what theirs gives it alone.

The deviation is computed of what is left when the mean is taken off. Theirs is the difference of two squares, the
same but for its rounding.

Source: Goncalves et al. 2024, Odyssey 2024 - Speech Emotion Recognition Challenge; the cards and configs of
3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes and -Categorical on Hugging Face (MIT), and their classes as
https://github.com/MSP-UTD/MSP-Podcast_Challenge has them; Okabe et al. 2018, https://arxiv.org/abs/1803.10963.
"""

from emovox.models.checkpoints.weights import Weights
from emovox.models.odyssey.snapshot import OdysseySnapshot
from emovox.models.odyssey.weights import HEAD, POOL
from emovox.models.onnx.graph import Graph
from emovox.models.onnx.speech import NEVER
from emovox.models.wav2vec2.network import TransformersEncoder

# What the card adds to the deviation of the waveform, and the least variance of a channel of the frames.
_WAVEFORM_EPSILON = 1e-6
_LEAST_VARIANCE = 1e-5


class OdysseyBuilder(TransformersEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: OdysseySnapshot, weights: Weights) -> None:
        super().__init__(graph, snapshot.encoder, weights)
        self.head = snapshot.config
        [self.readout] = weights.readouts

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        graph, head = self.graph, self.head
        samples, length = self.valid_samples()
        with graph.scope("waveform"):  # what this makes of the padding is seen by no valid frame
            waveform = graph.add("Sub", self.waveform(samples, length, epsilon=None), graph.number(head.mean))
            waveform = graph.add("Div", waveform, graph.number(head.std + _WAVEFORM_EPSILON))
        self.encode(waveform, samples, length)
        with graph.scope(self.readout.name):
            x = self._statistics()
            for index in range(head.classifier_hidden_layers):
                x = graph.add(
                    "Relu", self.layer_norm(self._dense(x, f"{HEAD}.fc.{index}.0"), f"{HEAD}.fc.{index}.1")
                )
            self._dense(x, f"{HEAD}.out.0", output=f"{self.readout.name}.logits")

    def _statistics(self) -> str:
        """The weighted mean and deviation of each channel over the valid frames: (B, 2 x D) of `frames`."""
        graph = self.graph
        valid = self.below("frame_count", graph.size("frames", 1))
        middle = graph.add("Tanh", self._dense("frames", f"{POOL}.sap_linear"))
        scores = graph.add("MatMul", middle, graph.weight(f"{POOL}.attention", self.weights[f"{POOL}.attention"]))
        shares = graph.add("Softmax", graph.add("Where", valid, scores, graph.number(NEVER)), axis=1)
        mean = graph.add("ReduceSum", graph.add("Mul", "frames", shares), graph.integers(1))
        rest = graph.add("Sub", "frames", mean)
        squares = graph.add("Mul", graph.add("Mul", rest, rest), shares)
        variance = graph.add(
            "Max", graph.add("ReduceSum", squares, graph.integers(1)), graph.number(_LEAST_VARIANCE)
        )
        both = graph.add("Concat", mean, graph.add("Sqrt", variance), axis=2)
        return graph.add("Squeeze", both, graph.integers(1))

    def _dense(self, x: str, name: str, output: str | None = None) -> str:
        """A layer of the head, whose weights stay float32 in every precision: they are few."""
        graph = self.graph
        x = graph.add("MatMul", x, graph.weight(f"{name}.weight", self.weights[f"{name}.weight"].T))
        return graph.add("Add", x, graph.weight(f"{name}.bias", self.weights[f"{name}.bias"]), output=output)
