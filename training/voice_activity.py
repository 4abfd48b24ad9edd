"""Silero's voice activity detection, arranged so that a CPU computes it in half the time, to the same bit.

python -m training.voice_activity SILERO.onnx src/emovox/audio/silero_vad.onnx

SILERO.onnx is `silero_vad_16k_sequence.onnx` of silero-vad 6.2.3. Its convolutions see one chunk at a time, four
columns wide, of sixteen that a processor's registers hold. Here they see eight chunks side by side, as the rows of
a picture, whose kernels are one row high. A sum is added up in the same order, so it rounds the same: ONNX Runtime
doesn't split the longest ones, of 387 products, as long as a product of matrices is at most 32 columns wide; with
sixteen chunks it does. The two last convolutions give one column a chunk, which it computes in another way: they
stay as they are.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emovox.audio.speech import CHUNK
from training.builder import Builder

TOGETHER = 8  # chunks
_CONTEXT, _REFLECTED = 64, 64  # samples before a chunk, and mirrored behind it
_SPECTRUM = "stft.forward_basis_buffer"  # cosines and sines, (258, 1, 256)
_STATE = (1, 1, 128)


def main() -> None:
    """Read Silero's file and write ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    onnx.save(build(read(onnx.load(options.source)), TOGETHER), options.target)


def read(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """The weights of Silero's file, or of ours; those of the recurrent layer by place, for want of names."""
    recurrent = next(node for node in model.graph.node if node.op_type == "LSTM")
    names = {name: f"recurrent.{place}" for place, name in enumerate(recurrent.input[1:4])}
    return {
        names.get(item.name, item.name): numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.name in names or "." in item.name
    }


def build(weights: Mapping[str, NDArray[Any]], together: int) -> onnx.ModelProto:
    """The network on chunks (n, 576) with their context, of which the convolutions see so many together."""
    graph = Builder("fp32")
    constants = {name: graph.constant(values, name) for name, values in weights.items()}

    def convolve(signal: str, name: str, stride: int) -> str:
        kernel = constants[f"{name}.weight"]
        wide: dict[str, Any] = {}
        if name in {"encoder.0", "encoder.1"}:
            kernel = graph.node("Unsqueeze", kernel, graph.integers(2))
            wide = {"pads": (0, 1, 0, 1), "strides": (1, stride)}
        options = wide or {"pads": (1, 1), "strides": (stride,)}
        return graph.node("Relu", graph.node("Conv", signal, kernel, constants[f"{name}.bias"], **options))

    count = graph.node("Shape", "input", start=0, end=1)
    missing = graph.node("Mod", graph.node("Neg", count), graph.integers(together))
    ends = graph.node("Concat", graph.integers(0, 0), missing, graph.integers(0), axis=0)
    whole = graph.node("Pad", "input", ends)
    mirrored = graph.node("Pad", whole, graph.integers(0, 0, 0, _REFLECTED), mode="reflect")
    width = _CONTEXT + CHUNK + _REFLECTED
    picture = graph.node("Reshape", mirrored, graph.integers(-1, 1, together, width))
    basis = graph.node("Unsqueeze", constants[_SPECTRUM], graph.integers(2))
    spectrum = graph.node("Conv", picture, basis, strides=(1, 128))
    bins = weights[_SPECTRUM].shape[0] // 2
    parts = graph.nodes("Split", spectrum, graph.integers(bins, bins), outputs=("cosines", "sines"), axis=1)
    cosines, sines = (graph.node("Pow", part, graph.number(2)) for part in parts)
    signal = graph.node("Sqrt", graph.node("Add", cosines, sines))
    signal = convolve(convolve(signal, "encoder.0", 1), "encoder.1", 2)
    signal = graph.node("Transpose", signal, perm=(0, 2, 1, 3))
    signal = graph.node("Reshape", signal, graph.integers(-1, weights["encoder.1.bias"].size, 2))
    signal = convolve(convolve(signal, "encoder.2", 2), "encoder.3", 1)
    signal = graph.node("Slice", signal, graph.integers(0), count, graph.integers(0))
    hidden, *_ = graph.nodes(
        "LSTM",
        graph.node("Transpose", signal, perm=(0, 2, 1)),
        *(constants[f"recurrent.{place}"] for place in range(3)),
        "",
        "h",
        "c",
        outputs=("hidden", "hn", "cn"),
        hidden_size=_STATE[-1],
    )
    hidden = graph.node("Relu", graph.node("Squeeze", hidden, graph.integers(1)))
    column = graph.node("Transpose", hidden, perm=(1, 2, 0))
    logits = graph.node("Conv", column, constants["output.weight"], constants["output.bias"])
    graph.node("Reshape", graph.node("Sigmoid", logits), graph.integers(-1), name="speech_probs")
    state = [("h", "c"), ("hn", "cn")]
    ours, theirs = ([_value(name, _STATE) for name in names] for names in state)
    return graph.model(
        [_value("input", ("chunks", _CONTEXT + CHUNK)), *ours], [_value("speech_probs", ("chunks",)), *theirs], {}
    )


def _value(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


if __name__ == "__main__":
    main()
