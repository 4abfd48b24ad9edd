"""SenseVoiceSmall as an ONNX graph, as far as emotions and events need it.

    waveform → filter bank → neighbouring spectra side by side → shift and scale → four queries before them
             → layers of attention with a memory of neighbours → the queries' outputs → head → emotion, event
                                                              → the others' outputs → frames

The model transcribes: its head gives each output the logits of 25,055 tokens. The outputs of the first four, whose
inputs are queries that it learned, are language, emotion, event and style of the transcript. Of the second's
logits those of the emotions' tokens are kept, and of the third's those of the events'; the transcript isn't
computed. FunASR writes the token that leads among all 25,055; here those of a kind compete by themselves: scores
are their softmax.

The queries see all frames of the window, so there is one verdict for each, which holds for all its frames. As
FunASR does unless it is told otherwise, the language is left to the model, and the style is plain words.

Source: An et al. 2024, FunAudioLLM, https://arxiv.org/abs/2407.04051; Gao et al. 2020, https://arxiv.org/abs/2006.01713
for the memory; FunASR 1.4.16 (MIT), funasr/models/sense_voice and funasr/frontends/wav_frontend.py, for what each
setting means and which weight goes where.
"""

import numpy as np
from onnx import TensorProto

from emovox.models.checkpoints.weights import Weights
from emovox.models.onnx.graph import END, Graph
from emovox.models.onnx.speech import NEVER, SpeechEncoder
from emovox.models.readout import EMOTION
from emovox.models.sensevoice.filter_bank import log_mel
from emovox.models.sensevoice.snapshot import EMOTIONS, EVENT, EVENTS, STEP, WINDOW, SenseVoiceSnapshot, Token
from emovox.models.sensevoice.weights import HEAD, QUERIES, layers_of, tp_layers_of

# Rows of `embed`: `lid_dict["auto"]`, the two of event and emotion, `textnorm_dict["woitn"]`.
_QUERIES = (0, 1, 2, 15)
_EMOTION, _EVENT = 1, 2
"""Which of the queries' outputs tell them."""
_TIMESCALES = 10_000
_REACH = -(-WINDOW // STEP) - 1  # rows of samples behind its own that a spectrum sees


class SenseVoiceBuilder(SpeechEncoder):
    """Adds the network to a graph, part by part in the order of the computation."""

    def __init__(self, graph: Graph, snapshot: SenseVoiceSnapshot, weights: Weights) -> None:
        super().__init__(graph, weights, snapshot.grid)
        self.config, self.frontend, self.cmvn = snapshot.encoder, snapshot.frontend, snapshot.cmvn

    def build(self) -> None:
        """Add everything between the inputs and the outputs of the model contract."""
        graph = self.graph
        samples, length = self.valid_samples()
        frame_count, total, valid = self.valid_frames(samples, length)
        with graph.scope("features"):
            x = self._with_queries(self._features(samples, length, total))
        queries = graph.integers(len(_QUERIES))
        with graph.scope("seen"):
            count = graph.add("Add", frame_count, queries)
            seen = self.below(count, graph.add("Add", total, queries))
            row = graph.add("Unsqueeze", graph.add("Transpose", seen, perm=[0, 2, 1]), graph.integers(1))
            bias = graph.add("Where", row, graph.number(0), graph.number(NEVER))
        first, *others = layers_of(self.config.num_blocks)
        x = self._layer(x, first, seen, bias, entry=self.frontend.width)
        for name in others:
            x = self._layer(x, name, seen, bias)
        x = self.layer_norm(x, "encoder.after_norm")
        for name in tp_layers_of(self.config.tp_blocks):
            x = self._layer(x, name, seen, bias)
        x = self.layer_norm(x, "encoder.tp_norm")
        self.outputs(graph.slice(x, len(_QUERIES), END, axis=1), valid, frame_count)
        for name, index, tokens in ((EMOTION, _EMOTION, EMOTIONS), (EVENT, _EVENT, EVENTS)):
            self._readout(name, graph.slice(x, index, index + 1, axis=1), tokens, valid)

    def _features(self, samples: str, length: str, total: str) -> str:
        """Frames as the encoder takes them, (B, T, width)."""
        graph, frontend = self.graph, self.frontend
        each = frontend.lfr_n
        steps = graph.add("Mul", total, graph.integers(each))
        waveform = self.waveform(samples, length, epsilon=None)
        waveform = graph.add("Pad", waveform, graph.integers(0, 0, 0, self.hop + _REACH * STEP))
        rows = graph.add("Add", steps, graph.integers(_REACH))
        needed = graph.add("Mul", rows, graph.integers(STEP))
        spectra = log_mel(graph, graph.slice(waveform, 0, needed, axis=1), bands=frontend.n_mels, steps=steps)
        spare = graph.add("Add", samples, graph.constant(STEP - WINDOW, np.int64))
        count = graph.add("Div", spare, graph.constant(STEP, np.int64))
        count = graph.add("Max", count, graph.constant(0, np.int64))
        x = self._side_by_side(spectra, count, steps)
        shift, scale = self.cmvn
        x = graph.add("Add", x, graph.weight("cmvn.shift", shift))
        return graph.add("Mul", x, graph.weight("cmvn.scale", scale))

    def _side_by_side(self, spectra: str, count: str, steps: str) -> str:
        """`lfr_m` neighbouring spectra in one frame, a frame every `lfr_n` of them.

        Before the first valid one and behind the last there are others like it.

        Args:
            spectra: (B, steps, bands).
            count: of the valid ones, (B,).
            steps: `lfr_n` for each frame, a vector of one.
        """
        graph, frontend = self.graph, self.frontend
        many, each, bands = frontend.lfr_m, frontend.lfr_n, frontend.n_mels
        blocks = -(-many // each)
        zero = graph.number(0)
        place = graph.add("Unsqueeze", graph.count(steps), graph.integers(0, 2))
        last = graph.add("Unsqueeze", graph.add("Sub", count, graph.integers(1)), graph.integers(1, 2))
        first, last = (
            graph.add(
                "ReduceSum", graph.add("Where", graph.add("Equal", place, at), spectra, zero), graph.integers(1)
            )
            for at in (graph.integers(0), last)
        )
        x = graph.add("Where", self.below(count, steps), spectra, last)
        behind = each * (blocks - 1) - frontend.past
        x = graph.add("Concat", *[first] * frontend.past, x, *[last] * max(behind, 0), axis=1)
        if behind < 0:
            x = graph.slice(x, 0, behind, axis=1)
        x = graph.add("Reshape", x, graph.integers(0, -1, each * bands))
        pieces = [graph.slice(x, index, index + 1 - blocks or END, axis=1) for index in range(blocks)]
        joined = graph.add("Concat", *pieces, axis=2) if blocks > 1 else pieces[0]
        return graph.slice(joined, 0, END if many == each * blocks else many * bands, axis=2)

    def _with_queries(self, x: str) -> str:
        """The queries before the frames, all scaled, and each with its position: (B, 4 + T, width)."""
        graph, width = self.graph, self.frontend.width
        shape = graph.add("Concat", graph.size(x, 0), graph.integers(1, 1), axis=0)
        queries = graph.weight("queries", self.weights[QUERIES][np.newaxis, list(_QUERIES)])
        x = graph.add("Concat", graph.add("Expand", queries, shape), x, axis=1)
        x = graph.add("Mul", x, graph.number(self.config.output_size**0.5))
        place = graph.add("Add", graph.count(graph.size(x, 1)), graph.integers(1))
        place = graph.add("Unsqueeze", graph.add("Cast", place, to=TensorProto.FLOAT), graph.integers(1))
        step = np.log(_TIMESCALES) / (width / 2 - 1)
        rates = np.exp(-step * np.arange(width // 2))
        angles = graph.add("Mul", place, graph.constant(rates[np.newaxis], np.float32))
        return graph.add("Add", x, graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=1))

    def _layer(self, x: str, name: str, seen: str, bias: str, *, entry: int = 0) -> str:
        """One layer, (B, S, entry or D) to (B, S, D); the first has nothing to add to where its widths differ."""
        graph, width = self.graph, self.config.output_size
        with graph.scope("attention"):
            mixed = self._attention(self.layer_norm(x, f"{name}.norm1"), f"{name}.self_attn", seen, bias)
            x = graph.add("Add", x, mixed) if entry in (0, width) else mixed
        with graph.scope("feed_forward"):
            normal = self.layer_norm(x, f"{name}.norm2")
            middle = graph.add("Relu", self.linear(normal, f"{name}.feed_forward.w_1"))
            return graph.add("Add", x, self.linear(middle, f"{name}.feed_forward.w_2"))

    def _attention(self, x: str, name: str, seen: str, bias: str) -> str:
        """Multi-head self-attention, and a memory: each channel's own mean of neighbouring values."""
        graph, width = self.graph, self.config.output_size
        projected = self.linear(x, f"{name}.linear_q_k_v")
        mixed = self.attention(projected, bias, width=width, heads=self.config.attention_heads)
        value = graph.add("Where", seen, graph.slice(projected, 2 * width, END, axis=2), graph.number(0))
        past = self.config.past
        memory = graph.add(
            "Conv",
            graph.add("Transpose", value, perm=[0, 2, 1]),
            graph.weight(f"{name}.fsmn_block.weight", self.weights[f"{name}.fsmn_block.weight"]),
            group=width,
            pads=[past, self.config.kernel_size - 1 - past],
        )
        memory = graph.add("Add", graph.add("Transpose", memory, perm=[0, 2, 1]), value)
        memory = graph.add("Where", seen, memory, graph.number(0))
        return graph.add("Add", self.linear(mixed, f"{name}.linear_out"), memory)

    def _readout(self, name: str, x: str, tokens: tuple[Token, ...], valid: str) -> None:
        """A query's verdict: the outputs `NAME.logits`, (B, K), and the same for each frame, (B, T, K).

        Its weights stay float32 in every precision: they are few.
        """
        graph, rows = self.graph, [token.number for token in tokens]
        with graph.scope(name):
            matrix = graph.weight(f"{name}.weight", self.weights[f"{HEAD}.weight"][rows].T)
            product = graph.add("MatMul", x, matrix)
            logits = graph.add("Add", product, graph.weight(f"{name}.bias", self.weights[f"{HEAD}.bias"][rows]))
            graph.add("Squeeze", logits, graph.integers(1), output=f"{name}.logits")
            graph.add("Where", valid, logits, graph.number(0), output=f"{name}.frame_logits")
