"""What the tests of the packages for voice agents need: tests/requirements-agents.txt, and their sources."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

INTEGRATIONS = Path(__file__).parents[2] / "integrations"
RATE = 16_000
PIECE = 320
"""Samples in a piece of sound, as agents get it."""


def needs(module: str, package: str) -> Sequence[pytest.MarkDecorator]:
    """Mark a module's tests; and let the package in `integrations/` be imported where it can be."""
    there = find_spec(module) is not None
    if there:
        sys.path.append(str(INTEGRATIONS / package / "src"))
    reason = f"{module} is not installed: pip install -r tests/requirements-agents.txt"
    return [
        pytest.mark.slow,
        pytest.mark.skipif(not there and not os.environ.get("CI"), reason=reason),
        pytest.mark.filterwarnings("default"),  # theirs are not ours
    ]


def pcm(samples: NDArray[np.float32], rest: float = 1.0) -> list[bytes]:
    """Speech as pieces of 20 ms, 16 bits a sample, with silence behind it."""
    sound = np.concatenate([samples, np.zeros(round(rest * RATE), np.float32)])
    sound = sound[: len(sound) // PIECE * PIECE]
    return [piece.tobytes() for piece in np.split((sound * 32767).astype("<i2"), len(sound) // PIECE)]


def held(run: Callable[..., Any], going: Any) -> Callable[..., Any]:
    """A model's run that waits until it may."""

    def wait(*arguments: Any, **options: Any) -> Any:
        assert going.wait(60)
        return run(*arguments, **options)

    return wait
