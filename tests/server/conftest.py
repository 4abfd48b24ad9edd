from collections.abc import Iterator

import pytest

from support.service import Client, serving


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One service for the tests that get along with each other's recordings."""
    with serving(tmp_path_factory.mktemp("service") / "outputs", upload_stall=1, decode_stall=2) as client:
        yield client
