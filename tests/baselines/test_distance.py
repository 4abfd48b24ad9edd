import numpy as np

from emovox.baselines.distance import FAR, LEAST, distance, is_far
from emovox.baselines.fitting import fit
from support import tiny

METADATA = tiny.metadata(embedding_size=50)


def test_one_more_of_the_same_kind_lies_about_one_away() -> None:
    random = np.random.default_rng(0)
    scale = random.uniform(0.1, 10, 50)
    rows = 5 + scale * random.standard_normal((300, 50))
    [own] = fit("x", rows[:200], METADATA)
    values = [distance(own, row) or 0 for row in rows[200:]]
    assert 0.9 < np.mean(values) < 1.1
    assert not any(is_far(own, row) for row in rows[200:])
    assert is_far(own, rows[200] + 2 * FAR * scale)


def test_few_recordings_have_no_spread() -> None:
    rows = np.random.default_rng(0).standard_normal((LEAST, 50))
    [few], [enough] = fit("x", rows[1:], METADATA), fit("x", rows, METADATA)
    far = np.full(50, 1e6)
    assert distance(few, far) is None
    assert not is_far(few, far)
    assert is_far(enough, far)
    [alike] = fit("x", np.ones((LEAST, 50)), METADATA)
    assert distance(alike, far) is None
