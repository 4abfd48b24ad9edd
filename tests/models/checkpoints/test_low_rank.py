from pathlib import Path

import numpy as np
import pytest

from emovox.errors import ModelError
from emovox.models.checkpoints.low_rank import with_low_rank
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.safetensors import read_safetensors
from support.wav2vec2_snapshots import save_safetensors

GENERATOR = np.random.default_rng(0)
WEIGHT, FIRST, SECOND = (GENERATOR.standard_normal(shape).astype(np.float32) for shape in ((6, 5), (2, 5), (6, 2)))
STATE = {"x.weight": WEIGHT, "x.bias": np.ones(6, np.float32), "x.lora_A": FIRST, "x.lora_B": SECOND}


def test_an_adaptation_is_added_when_its_weight_is_read(tmp_path: Path) -> None:
    state = with_low_rank(read_safetensors(save_safetensors(tmp_path / "model.safetensors", STATE)))
    assert set(state) == {"x.weight", "x.bias"}
    weight = state["x.weight"]
    assert not isinstance(weight, Inert)
    assert weight.shape == (6, 5)
    np.testing.assert_allclose(weight.array(), WEIGHT + SECOND @ FIRST / 2, rtol=1e-6)
    assert weight.array().dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        {"x.lora_A": None},
        {"x.lora_B": None},
        {"x.weight": None},
        {"x.lora_A": FIRST.T.copy()},
        {"x.lora_B": SECOND[:5]},
        {"x.lora_A": FIRST[:1]},
        {"x.weight": WEIGHT[0]},
        {"x.lora_A": np.zeros((9, 5), np.float32), "x.lora_B": np.zeros((6, 9), np.float32)},
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict[str, np.ndarray | None]) -> None:
    values = {name: value for name, value in {**STATE, **change}.items() if value is not None}
    state = read_safetensors(save_safetensors(tmp_path / "model.safetensors", values))
    with pytest.raises(ModelError, match="the checkpoint's x has an adaptation that doesn't fit it"):
        with_low_rank(state)
