"""What is trained in PyTorch is what the graph runs."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from emovox.emotions import NAMES  # noqa: E402
from support.whisper import random_weights  # noqa: E402
from training.graph import WIDTH, Adaptor, Encoder, build, build_states  # noqa: E402
from training.network import Network, Shape  # noqa: E402
from training.sessions import open_session, run  # noqa: E402

SHAPE = Shape(units=24, members=3)
Floats = NDArray[np.float32]


def network(variables: dict[str, Floats]) -> Network:
    torch.manual_seed(0)
    made = Network(variables, (1, 2), SHAPE, torch.randn(WIDTH) / 10, torch.rand(WIDTH) + 0.5)
    with torch.no_grad():
        made.heads.mul_(20)  # so that logits are of the size of fitted ones
        made.bias.normal_()
    made.frozen = False
    made.eval()
    return made


def states(variables: dict[str, Floats], waveform: Floats) -> Floats:
    """Kept states of all frames, those of the context behind the recording too: (C / 2, 2 E)."""
    model = build_states(Encoder(variables, 1, (0, 2)), "fp32")
    found: Floats = run(open_session(model, 1), "states", waveform)
    return found


def waveform() -> Floats:
    found: Floats = np.random.default_rng(1).standard_normal(12_345).astype(np.float32)
    return found


def test_the_tuned_blocks_are_those_of_the_graph() -> None:
    variables = random_weights(0)
    kept = states(variables, waveform())
    tuned = network(variables)
    with torch.inference_mode():
        behind = torch.from_numpy(kept[None, :, :WIDTH])
        for block in tuned.blocks:
            behind = block(behind, torch.ones(behind.shape[:2], dtype=torch.bool))
    np.testing.assert_allclose(behind[0].numpy(), kept[:, WIDTH:], atol=2e-4)


def test_frames_that_are_not_there_change_nothing() -> None:
    tuned = network(random_weights(0))
    kept = torch.from_numpy(states(random_weights(0), waveform()))[None]
    longer = torch.cat([kept, torch.randn(1, 5, 2 * WIDTH)], dim=1)
    present = torch.arange(longer.shape[1])[None] < kept.shape[1]
    with torch.inference_mode():
        alone = tuned(kept, present[:, : kept.shape[1]])
        torch.testing.assert_close(tuned(longer, present), alone)


def test_what_was_tuned_is_what_the_model_runs() -> None:
    tuned, before = network(random_weights(0)), random_weights(0)
    with torch.no_grad():  # as a fit would
        for parameter in tuned.blocks.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    after = {name: np.asarray(values) for name, values in tuned.to_variables(before).items()}
    changed = {name for name in after if not np.array_equal(after[name], before[name])}
    assert changed == {name for name in before if name.startswith(("layer_1/", "layer_2/"))}

    adaptor: Adaptor = tuned.to_adaptor(temperature=0.7)
    model: onnx.ModelProto = build(Encoder(after, 1, (2,)), adaptor, "fp32", {})
    frames = run(open_session(model, 1), "emotion.frame_logits", waveform())[::2]  # of 20 ms, alike by twos
    kept = states(before, waveform())
    with torch.inference_mode():
        behind = torch.from_numpy(kept[None, :, :WIDTH])
        for block in tuned.blocks:
            behind = block(behind, torch.ones(behind.shape[:2], dtype=torch.bool))
        tuned.frozen = True  # a clip of each frame by itself, whose states were kept as they are now
        alone = torch.cat([behind, behind], dim=-1)[0, :, None]
        logits = tuned.classify(tuned(alone, torch.ones(alone.shape[:2], dtype=torch.bool))).mean(dim=1) / 0.7
    assert frames.std() > 1
    np.testing.assert_allclose(frames, logits[: len(frames)].numpy(), atol=5e-3)  # the units' weights are float16


def test_neutrals_constant_is_added_after_the_temperature() -> None:
    tuned = network(random_weights(0))
    without, with_it = tuned.to_adaptor(temperature=0.7), tuned.to_adaptor(temperature=0.7, neutral=1.5)
    np.testing.assert_allclose(
        with_it.head_bias - without.head_bias, 1.5 * (np.array(NAMES) == "neutral"), atol=1e-6
    )
    np.testing.assert_array_equal(with_it.head_weight, without.head_weight)
