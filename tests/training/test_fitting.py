"""What is asked of a fit: it learns what can be learnt, gives the mean of its last weights, and repeats itself."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from emovox.emotions import NAMES  # noqa: E402
from support.whisper import WIDTH, random_weights  # noqa: E402
from training.corpus import Clip  # noqa: E402
from training.fitting import Batch, Options, Sampler, Stage, fit, hear  # noqa: E402
from training.graph import Encoder  # noqa: E402
from training.network import Network, Shape  # noqa: E402
from training.states import States  # noqa: E402

ENCODER = Encoder(random_weights(0), 1, (0, 2))
FROZEN = Stage(steps=60, batch=16, frames=6, rate=3e-3)
TUNED = Stage(steps=6, batch=8, frames=6, rate=1e-3, block_rate=1e-4)
OPTIONS = Options(stages=(FROZEN, TUNED), shape=Shape(units=24, members=3), warming=5)
FRAMES = 12


def material() -> tuple[list[Clip], States]:
    """Clips of two speakers whose states, random else, lie apart by their labels."""
    rng = np.random.default_rng(0)
    labels = ("angry", "sad", "happy")
    clips = [
        Clip(f"{who}-{label}-{take}.wav", label, who, "emodb")
        for who in "ab"
        for label in labels
        for take in range(4)
    ]
    means = rng.normal(0, 0.5, (len(labels), 2 * WIDTH))
    parts = [means[labels.index(clip.label)] + rng.normal(0, 1, (FRAMES, 2 * WIDTH)) for clip in clips]
    spans = {clip.path: (FRAMES * row, FRAMES * row + FRAMES) for row, clip in enumerate(clips)}
    return clips, States(np.concatenate(parts).astype(np.float16), spans)


def test_it_learns_labels_and_the_same_seed_gives_the_same_network() -> None:
    clips, states = material()
    networks = [fit(clips, [states], ENCODER, replace(OPTIONS, stages=(FROZEN,)), seed=seed) for seed in (0, 0, 1)]
    heard = [hear(network, clips, states) for network in networks]
    assert [NAMES[row.argmax()] for row in heard[0]] == [clip.label for clip in clips]
    np.testing.assert_array_equal(heard[0], heard[1])
    assert not np.allclose(heard[0], heard[2])


def test_a_stage_gives_the_mean_of_its_last_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    clips, states = material()
    seen: list[Tensor] = []
    watched: list[Network] = []
    forward, draw = Network.forward, Sampler.draw

    def remember(network: Network, *arguments: Tensor) -> Tensor:
        watched[:] = [network]
        return forward(network, *arguments)

    def drawing(sampler: Sampler, stage: Stage) -> Batch:
        if watched:  # the weights that the last step left
            seen.append(watched[0].bias.detach().clone())
        return draw(sampler, stage)

    monkeypatch.setattr(Network, "forward", remember)
    monkeypatch.setattr(Sampler, "draw", drawing)
    options = replace(OPTIONS, stages=(replace(FROZEN, steps=10),), averaging=0.3)
    fitted = fit(clips, [states], ENCODER, options, seed=0)
    seen.append(watched[0].bias.detach())
    assert len(seen) == 10
    torch.testing.assert_close(fitted.bias, torch.stack(seen[-3:]).mean(dim=0))
    assert not torch.allclose(fitted.bias, seen[-1])


@pytest.mark.slow
def test_blocks_are_tuned_in_the_stage_that_says_so() -> None:
    clips, states = material()
    frozen = fit(clips, [states], ENCODER, replace(OPTIONS, stages=(FROZEN,)), seed=0)
    tuned = fit(clips, [states], ENCODER, OPTIONS, seed=0)
    for network, changed in ((frozen, False), (tuned, True)):
        after = network.to_variables(ENCODER.variables)
        different = {key for key, values in after.items() if not np.array_equal(values, ENCODER.variables[key])}
        blocks = {key for key in after if key.startswith(("layer_1/", "layer_2/"))}
        assert different == (blocks if changed else set())
