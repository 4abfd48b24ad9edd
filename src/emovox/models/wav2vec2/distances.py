"""WavLM's relative positions: what attention adds for the distance between two frames, before a gate scales it.

Distances are told apart one by one while they are short, then in steps that grow with their logarithm, and from
the greatest on not at all; before and after are told apart throughout. So all that a recording of any length needs
is a table of the distances up to the greatest.

Source: Chen et al. 2021, https://arxiv.org/abs/2110.13900, section III-B; `WavLMAttention` in models/wavlm of
transformers 4.57 and 5.24 (Apache-2.0), whose float32 decides where a step ends.
"""

import math

import numpy as np
import numpy.typing as npt

from emovox.models.onnx.graph import Graph

Floats = npt.NDArray[np.float32]


def bias_table(embedding: Floats, greatest: int) -> Floats:
    """What each head adds for each distance, (heads, 2 x greatest + 1): from -greatest over 0 to greatest.

    Args:
        embedding: of the buckets, (buckets, heads); the first half is for frames before, and for the frame itself.
        greatest: the distance in frames from which all are one; over a quarter of the buckets.
    """
    one_way = len(embedding) // 2
    exact = one_way // 2
    distances = np.arange(greatest + 1)
    steps = np.log(distances[exact:].astype(np.float32) / np.float32(exact))
    steps = steps / np.float32(math.log(greatest / exact)) * np.float32(one_way - exact)
    wide = np.minimum((np.float32(exact) + steps).astype(np.int64), one_way - 1)
    buckets = np.concatenate([distances[:exact], wide])
    return np.ascontiguousarray(embedding[np.concatenate([buckets[:0:-1], [0], one_way + buckets[1:]])].T)


def between_frames(graph: Graph, frame_total: str, table: str, greatest: int) -> str:
    """What each head adds for each pair of frames, (heads, T, T), out of the table."""
    frames = graph.count(frame_total)
    of_keys, of_queries = (graph.add("Unsqueeze", frames, graph.integers(axis)) for axis in (0, 1))
    distances = graph.add("Sub", of_keys, of_queries)
    low, high = (graph.constant(bound, np.int64) for bound in (-greatest, greatest))
    distances = graph.add("Max", graph.add("Min", distances, high), low)
    return graph.add("Gather", table, graph.add("Add", distances, high), axis=1)
