import sys
from pathlib import Path

import numpy as np
import pytest

from emovox.models.pages import drop_pages
from support.pages import resident


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux says what is mapped")
def test_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    np.arange(500_000).tofile(path)
    numbers = np.memmap(path, np.int64, "r")
    total = int(numbers.sum())
    assert resident(path) > 1000
    drop_pages(path)
    assert resident(path) == 0
    assert int(numbers.sum()) == total
