import numpy as np
import pytest

from emovox.models.wav2vec2.distances import bias_table
from support.transformers_model import parity


@parity
@pytest.mark.parametrize(
    ("buckets", "greatest", "frames"),
    [(320, 800, 1000), (320, 128, 300), (32, 128, 300), (33, 50, 60), (18, 11, 30), (8, 16, 40), (4, 2, 5)],
)
def test_each_distance_falls_into_transformers_bucket(buckets: int, greatest: int, frames: int) -> None:
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention  # noqa: PLC0415

    theirs = WavLMAttention(8, 2, num_buckets=buckets, max_distance=greatest)
    with torch.no_grad():
        expected = theirs.compute_bias(frames, frames).numpy()
    table = bias_table(theirs.rel_attn_embed.weight.detach().numpy(), greatest)
    assert table.shape == (2, 2 * greatest + 1)
    distances = np.arange(frames) - np.arange(frames)[:, None]
    np.testing.assert_array_equal(table[:, np.clip(distances, -greatest, greatest) + greatest], expected)
