"""Seconds that a fit takes, and what recognising costs with a baseline: paired, in one process, medians."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from emovox.baselines.fitting import fit
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer

RECORDINGS = 10_000
SPEAKERS = 200
SECONDS = 5
REPEATS = 100


def speed() -> dict[str, float]:
    """Seconds, by what takes them."""
    recognizer = Recognizer("lite")
    metadata = recognizer.metadata
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((RECORDINGS, metadata.embedding_size)).astype(np.float32)
    sha256s = [f"{number:064x}" for number in range(RECORDINGS)]
    speakers = [str(number % SPEAKERS) for number in range(RECORDINGS)]
    [own] = fit("x", rows[:100], metadata)
    sound = (0.1 * rng.standard_normal(16_000 * SECONDS).astype(np.float32), 16_000)
    options = Options(baseline=own)
    without, with_one, pairs = [], [], []
    recognizer.recognize(sound, baseline=own)
    for turn in range(REPEATS):
        pair = {}
        for baseline in (None, own) if turn % 2 else (own, None):
            pair[baseline is None] = _seconds(partial(recognizer.recognize, sound, baseline=baseline))
        without.append(pair[True])
        with_one.append(pair[False])
        pairs.append(pair[False] - pair[True])
    return {
        f"fit {RECORDINGS} embeddings": _seconds(lambda: fit("x", rows, metadata, sha256s=sha256s)),
        f"fit {RECORDINGS} embeddings of {SPEAKERS} speakers": _seconds(
            lambda: fit("x", rows, metadata, sha256s=sha256s, groups=speakers)
        ),
        f"recognise {SECONDS} s": statistics.median(without),
        f"recognise {SECONDS} s, with a baseline": statistics.median(with_one),
        "the difference, of pairs": statistics.median(pairs),
        "the shift alone": statistics.median(_seconds(partial(recognizer.shift, options)) for _ in range(REPEATS)),
    }


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
