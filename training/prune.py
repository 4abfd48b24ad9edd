"""Feed-forward layers with fewer units: those whose loss the others can best make good."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import erf

from emovox.audio.waveform import Waveform
from training.builder import Precision
from training.graph import Encoder, Floats, Variables, build_states
from training.sessions import open_session, run

_RIDGE = 1e-3  # of the mean power of a unit
_STEP = 128  # units given up before the rest is fitted again


def prune(
    variables: Variables, units: Sequence[int], merge: int, waveforms: Sequence[Waveform], precision: Precision
) -> dict[str, Floats]:
    """Leave some units in the feed-forward layer of each of the first blocks.

    One block after the other: each is fitted on what the pruned ones before it give, towards what Whisper's own
    layer would have made of that.

    Args:
        variables: Whisper's weights.
        units: how many stay, of 2048, in each of the blocks that are pruned.
        merge: the block before which frames are merged.
        waveforms: speech to fit on; a minute or more for each thousand units.
        precision: how the weights below will be stored.
    """
    pruned = dict(variables)
    for block, keep in enumerate(units):
        model = build_states(Encoder(pruned, merge, (block,)), precision, attended=block)
        states = _states(model, waveforms)
        name = f"layer_{block}/ffn"
        hidden = _hidden(states, pruned, name)
        kept, weight, bias = _select(
            hidden, pruned[f"{name}/linear_1/weight"], pruned[f"{name}/linear_1/bias"], keep
        )
        pruned[f"{name}/linear_0/weight"] = pruned[f"{name}/linear_0/weight"][kept]
        pruned[f"{name}/linear_0/bias"] = pruned[f"{name}/linear_0/bias"][kept]
        pruned[f"{name}/linear_1/weight"] = weight
        pruned[f"{name}/linear_1/bias"] = bias
    return pruned


def _states(model: onnx.ModelProto, waveforms: Sequence[Waveform]) -> Floats:
    session = open_session(model, 1)
    return np.concatenate([run(session, "states", waveform) for waveform in waveforms])


def _hidden(states: Floats, variables: Variables, name: str) -> Floats:
    """What the units say, (frames, units)."""
    centred = states - states.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt(np.mean(np.square(centred), axis=1, keepdims=True) + 1e-5)
    normal = normal * variables[f"{name}/layer_norm/gamma"] + variables[f"{name}/layer_norm/beta"]
    inner = normal @ variables[f"{name}/linear_0/weight"].T + variables[f"{name}/linear_0/bias"]
    result: Floats = (inner * 0.5 * (1 + erf(inner / np.float32(np.sqrt(2))))).astype(np.float32)
    return result


def _select(hidden: Floats, weight: Floats, bias: Floats, keep: int) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The units to keep, and the layer's outgoing weight (E, keep) and bias (E,) fitted to them.

    Giving up unit i, with the others fitted again, costs |w_i|² / (G⁻¹)_ii, for the Gram matrix G of the units
    (Hassibi and Stork's optimal brain surgeon, of a linear layer).
    """
    mean = hidden.mean(axis=0)
    centred = hidden - mean
    gram = (centred.T @ centred).astype(np.float64) / len(hidden)
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    target = gram @ weight.T.astype(np.float64)  # how each unit goes with what the layer gave, (units, E)
    kept = np.arange(len(gram))
    while True:
        inverse = np.linalg.inv(gram[np.ix_(kept, kept)])
        fitted = inverse @ target[kept]
        if len(kept) <= keep:
            break
        costs = np.square(fitted).sum(axis=1) / np.diag(inverse)
        drop = np.argsort(costs, kind="stable")[: min(_STEP, len(kept) - keep)]
        kept = np.delete(kept, drop)
    lost = mean @ weight.T - mean[kept] @ fitted
    return kept, np.ascontiguousarray(fitted.T, np.float32), (bias + lost).astype(np.float32)
