"""Weights of Whisper's shapes, for graphs that only have to agree with each other."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WIDTH = 512
FED = 64  # feed-forward units, so that it is quick


def random_weights(seed: int) -> dict[str, NDArray[np.float32]]:
    """Random weights under Whisper's names, of three blocks."""
    rng = np.random.default_rng(seed)

    def make() -> Iterator[tuple[str, NDArray[np.float64]]]:
        for name, size in (("conv1", 80), ("conv2", WIDTH)):
            yield f"{name}/weight", rng.normal(0, (3 * size) ** -0.5, (WIDTH, size, 3))
            yield f"{name}/bias", rng.normal(0, 0.1, WIDTH)
        for block in range(3):
            for part, (first, second) in (("self_attention", (3 * WIDTH, WIDTH)), ("ffn", (FED, WIDTH))):
                name = f"layer_{block}/{part}"
                between = WIDTH if part == "self_attention" else FED
                yield f"{name}/layer_norm/gamma", rng.normal(1, 0.1, WIDTH)
                yield f"{name}/layer_norm/beta", rng.normal(0, 0.1, WIDTH)
                yield f"{name}/linear_0/weight", rng.normal(0, WIDTH**-0.5, (first, WIDTH))
                yield f"{name}/linear_0/bias", rng.normal(0, 0.1, first)
                yield f"{name}/linear_1/weight", rng.normal(0, between**-0.5, (second, between))
                yield f"{name}/linear_1/bias", rng.normal(0, 0.1, second)

    return {name: values.astype(np.float32) for name, values in make()}
