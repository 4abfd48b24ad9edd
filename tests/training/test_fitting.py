"""What is asked of a fit: it learns what can be learnt, gives the mean of its last weights, and repeats itself."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from emovox.emotions import NAMES  # noqa: E402
from support.whisper import WIDTH, random_weights  # noqa: E402
from training.corpus import Clip  # noqa: E402
from training.fitting import fit, hear  # noqa: E402
from training.graph import Encoder  # noqa: E402
from training.network import Network, Shape  # noqa: E402
from training.relative import ClassMeans  # noqa: E402
from training.sampling import Batch, Options, Sampler, Stage  # noqa: E402
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
    return clips, States({clip.path: part.astype(np.float16) for clip, part in zip(clips, parts, strict=True)})


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


def grouped() -> tuple[list[Clip], States]:
    """Clips of two actors of two corpora, calm, angry and sad, and of an everyday set."""
    rng = np.random.default_rng(1)
    clips = [
        Clip(f"{corpus}-{who}-{label}-{take}.wav", label, f"{corpus}-{who}", corpus)
        for corpus in ("emodb", "ravdess")
        for who in "ab"
        for label in ("neutral", "angry", "sad")
        for take in range(3)
    ]
    clips += [Clip(f"word-{take}.wav", "neutral", "anybody", "arabic_commands") for take in range(6)]
    return clips, States({clip.path: rng.normal(0, 1, (FRAMES, 2 * WIDTH)).astype(np.float16) for clip in clips})


def test_groups_are_of_one_corpus_and_their_labels_weigh_alike() -> None:
    clips, states = grouped()
    options = replace(OPTIONS, everyday=1, relative=0.5, group=8, shift=0)
    sampler = Sampler(clips, [states], options, seed=0)
    shares = set()
    for _ in range(40):
        batch = sampler.draw(replace(FROZEN, batch=32))
        assert batch.groups.tolist() == [0] * 8 + [1] * 8 + [-1] * 16
        assert (batch.weights[16:] == 1).all()
        assert (batch.shares[:16] == 1).all()
        for group in range(2):
            rows = batch.groups == group
            assert len(set(batch.corpora[rows].tolist())) == 1
            labels = batch.wanted[rows].argmax(dim=1)
            weights = [float(batch.weights[rows][labels == label].sum()) for label in set(labels.tolist())]
            shares.add(int((labels == NAMES.index("neutral")).sum()))
            if max(batch.weights[rows]) < 3:
                np.testing.assert_allclose(weights, 8 / max(2, len(weights)), rtol=1e-5)
    assert {0, 8} < shares


def test_everyday_sets_are_drawn_only_where_they_are_asked_for() -> None:
    clips, states = grouped()
    for everyday in (0, 1):
        batch = Sampler(clips, [states], replace(OPTIONS, everyday=everyday), seed=0).draw(
            replace(FROZEN, batch=400)
        )
        assert (batch.corpora == -1).any() == bool(everyday)


def test_a_clip_is_heard_in_a_placed_copy_as_often_as_is_said() -> None:
    clips, states = material()
    placed = States({path: frames + np.float16(100) for path, frames in states.frames.items()})
    options = replace(OPTIONS, placed=0.4, shift=0, mixing=0)
    batch = Sampler(clips, [states], options, seed=0, placed=[placed]).draw(replace(FROZEN, batch=1000))
    assert float((batch.states.mean(dim=(1, 2)) > 50).float().mean()) == pytest.approx(0.4, abs=0.05)


def test_a_group_is_moved_to_where_other_corpora_have_a_usual_mixture() -> None:
    clips, states = grouped()
    options = replace(OPTIONS, relative=1, group=8)
    sampler = Sampler(clips, [states], options, seed=0)
    means = ClassMeans(4)
    batch = sampler.draw(replace(FROZEN, batch=256))
    wanted = batch.wanted.argmax(dim=1)
    units = torch.zeros(256, 4)
    for column, name in enumerate(("neutral", "angry", "sad")):
        units[wanted == NAMES.index(name), column] = 1
    units[:, 3] = batch.corpora + 1.0  # a line's constant
    means.add(units, batch)
    goal = means.mixture(0)  # EmoDB's goal is where RAVDESS lies
    torch.testing.assert_close(goal, torch.tensor([0.5, 0.25, 0.25, 2.0]))
    moved = means.moved(units, batch)
    emodb = batch.corpora == 0
    torch.testing.assert_close(moved[emodb, 3], torch.full((int(emodb.sum()),), 2.0))
    assert not torch.allclose(moved[emodb, 0], units[emodb, 0])


def test_a_relative_fit_learns_what_a_constant_hides() -> None:
    clips, states = material()
    clips = [replace(clip, label="neutral") if clip.label == "happy" else clip for clip in clips]
    options = replace(OPTIONS, stages=(FROZEN,), relative=0.5, group=8)
    network = fit(clips, [states], ENCODER, options, seed=0)
    assert [NAMES[row.argmax()] for row in hear(network, clips, states)] == [clip.label for clip in clips]
    assert network.usual.abs().max() > 0
