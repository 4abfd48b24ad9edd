"""The map of the archive over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox.archive.map import projection
from emovox.archive.record import Floats
from emovox.server import maps
from support.service import Client, serving


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("map") / "outputs") as client:
        for path in examples[:5]:
            assert client.post_file(path, embedding="true").is_success
        yield client


def test_every_recording_is_a_point(filled: Client) -> None:
    view = filled.get("/v1/archive/map").json()
    listed = {item["id"]: item for item in filled.get("/v1/outputs").json()["outputs"]}
    assert {point["output"] for point in view["points"]} == set(listed)
    assert (view["model"], view["recognitions"]) == ("lite", 5)
    for point in view["points"]:
        assert point["emotion"] == listed[point["output"]]["emotion"]
        assert point["label"] is None
    places = np.array([(point["x"], point["y"]) for point in view["points"]])
    assert np.abs(places).max() == pytest.approx(1)
    assert len({tuple(place) for place in places.tolist()}) == 5


def test_filters_choose_the_points(filled: Client) -> None:
    points = filled.get("/v1/archive/map", params={"name": "angry"}).json()["points"]
    assert points
    assert all("angry" in point["name"] for point in points)
    view = filled.get("/v1/archive/map", params={"limit": 2}).json()
    assert (len(view["points"]), view["recognitions"]) == (2, 5)
    nothing = filled.get("/v1/archive/map", params={"name": "nobody"}).json()
    assert (nothing["points"], nothing["recognitions"]) == ([], 0)
    assert filled.get("/v1/archive/map", params={"limit": maps.KEPT * 10_000}).status_code == 422
    assert filled.get("/v1/archive/map", params={"filter": "since=2020"}).status_code == 422


def test_a_map_is_laid_out_once(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = []

    def place(vectors: Floats, *, method: projection.Method = "auto") -> tuple[Floats, str]:
        laid_out.append(len(vectors))
        return projection.place(vectors, method=method)

    monkeypatch.setattr(maps, "place", place)
    query = {"limit": 3}
    one, other = (filled.get("/v1/archive/map", params=query).json() for _ in range(2))
    assert one == other
    assert laid_out == [3]
    filled.get("/v1/archive/map", params={"limit": 4})
    assert laid_out == [3, 4]
