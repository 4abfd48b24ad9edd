"""Every route that lists or counts records of the archive is asked for them in the same words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.service import Client, serving

PATHS = ["/v1/archive", "/v1/archive/stats", "/v1/archive/map", "/v1/archive/moments"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("selection") / "outputs") as client:
        told = {"purpose": "quality", "consent": "paper 7", "side": "customer"}
        assert client.post_file(examples[0], segments="true", embedding="true", **told).is_success
        assert client.post_file(examples[1], segments="true", embedding="true").is_success
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_all_parameters_select(filled: Client, examples: list[Path], path: str) -> None:
    def count(**params: Any) -> int:
        rule = {"rule": "angry >= 0 for 0.1s"} if path.endswith("moments") else {}
        answer = filled.get(path, params=rule | params)
        assert answer.is_success, answer.text
        selected = answer.json()["recognitions"]
        return selected if isinstance(selected, int) else len(selected)

    all_ = {"model": "lite", "since": "2020-01-01", "until": "2999-01-01", "filter": "angry>=0"}
    one = {"name": examples[0].name, "purpose": "quality", "consent": "paper 7", "side": "customer"}
    none = {"model": "none", "revision": "0", "tag": "none", "since": "2999-01-01", "until": "2020-01-01"}
    none |= {"name": "none", "side": "pupil", "purpose": "none", "consent": "none", "filter": "angry>1"}
    for parameters, expected in ((all_, 2), (one, 1), (none, 0)):
        for name, value in parameters.items():
            assert count(**{name: value}) == expected, (name, value)
