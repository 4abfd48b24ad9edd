import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from emovox.archive import Archive, Filter
from emovox.archive.map.map import write_map
from emovox.archive.map.projection import cluster, project
from emovox.emotions import EMOTIONS
from emovox.errors import ArchiveError
from support.records import record, without_nine


def data(page: Path) -> dict[str, Any]:
    (text,) = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', page.read_text("utf-8"), re.S
    )
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    with Archive(tmp_path / "outputs.db") as archive:
        for number in range(40):
            directory = tmp_path / "outputs" / f"outputs_20240104_{number:06d} #"
            directory.mkdir(parents=True)
            if number != 7:
                (directory / "processed_audio.wav").write_bytes(b"RIFF" + bytes(number))
            name = '</script><script>alert("x")</script>' if number == 3 else f"{number}.wav"
            archive.add_records([record(number, outputs=directory, name=name)])
        yield archive


def test_a_page_by_itself(archive: Archive, tmp_path: Path) -> None:
    archive.tag(record(39).sha256, "last")
    page = tmp_path / "sub" / "map.html"
    page.parent.mkdir()
    drawn = write_map(page, *archive.embedded(), method="pca")
    assert (drawn.points, drawn.sounding, drawn.method) == (40, 39, "pca")
    text = page.read_text("utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text.count("</script>") == 2
    assert [(each["colour"], each["dark"]) for each in data(page)["emotions"]] == [
        (emotion.colour, emotion.dark_colour) for emotion in EMOTIONS
    ]
    points = data(page)["points"]
    assert points[0]["name"] == "39.wav"
    assert points[0]["tags"] == ["last"]
    assert points[36]["name"].startswith("</script>")
    assert points[32]["sound"] is None
    sound = (page.parent / unquote(points[0]["sound"])).resolve()
    assert sound == tmp_path / "outputs" / "outputs_20240104_000039 #" / "processed_audio.wav"
    assert all(-1 <= point[axis] <= 1 for point in points for axis in "xy")
    assert list(page.parent.iterdir()) == [page]


def test_sound_in_the_page(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.archive.map.map.EMBEDDED_IN_ALL", 100)
    write_map(tmp_path / "map.html", *archive.embedded(), method="pca", embed_audio=True, language="zh")
    found = data(tmp_path / "map.html")
    assert found["language"] == "zh"
    assert [point["sound"].startswith("data:audio/wav;base64,") for point in found["points"][:4]] == [
        True, True, False, False,
    ]  # fmt: skip


def test_what_is_shown(archive: Archive) -> None:
    found, vectors = archive.embedded(Filter(emotion="sad"), limit=3)
    assert [item.name for item in found] == ["33.wav", "24.wav", "15.wav"]
    assert vectors.shape == (3, 8)
    archive.add_records([record(number, model="other") for number in range(100, 120)])
    assert {item.model for item in archive.embedded()[0]} == {"tiny"}
    assert {item.model for item in archive.embedded(Filter(model="other"))[0]} == {"other"}
    with pytest.raises(ArchiveError, match="no embeddings"):
        archive.embedded(Filter(name="nobody"))


def groups(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    which = np.arange(count) % 3
    rows = np.eye(3, 10)[which] * 5 + chance.standard_normal((count, 10)) * 0.2
    return rows.astype(np.float32), which


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_what_is_alike_lies_together(method: Any) -> None:
    if method == "umap":
        pytest.importorskip("umap")
    rows, which = groups()
    points, used = project(rows, method=method)
    assert used == method
    assert points.shape == (120, 2)
    centres = np.stack([points[which == group].mean(axis=0) for group in range(3)])
    nearest = np.linalg.norm(points[:, np.newaxis] - centres, axis=2).argmin(axis=1)
    assert (nearest == which).mean() > 0.98
    np.testing.assert_allclose(project(rows, method=method)[0], points, atol=1e-3)  # the same map again


def test_clusters_are_found() -> None:
    rows, which = groups(121)
    labels = cluster(rows)
    assert labels is not None
    assert sorted(np.bincount(labels)) == [40, 40, 41]
    assert labels[0] == 0  # biggest first
    assert all(len({*labels[which == group].tolist()}) == 1 for group in range(3))
    assert cluster(rows[:3]) is None
    same = cluster(np.ones((30, 4), np.float32))
    assert same is not None
    assert set(same.tolist()) == {0}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_recordings(count: int) -> None:
    points, _ = project(groups()[0][:count])
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_umap_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in {"umap", "sklearn"} else sys)
    with pytest.raises(ArchiveError, match="pip install umap-learn"):
        project(groups()[0], method="umap")
    assert project(groups()[0])[1] == "pca"
    assert cluster(groups()[0]) is None


def test_without_the_nine_a_class_of_the_model_colours_a_point(tmp_path: Path) -> None:
    values = {"dimensions": without_nine(3).readouts["dimensions"]}
    with Archive(tmp_path / "a.db") as archive:
        archive.add_records([without_nine(number) for number in range(3)])
        archive.add_records([without_nine(3, readouts=values), record(4, model="foreign")])
        write_map(tmp_path / "map.html", *archive.embedded(), method="pca")
    drawn = data(tmp_path / "map.html")
    labels = [each["label"] for each in drawn["emotions"]]
    assert labels[9:] == ["calma", "rabbia", "–"]
    facts = [(labels[each["emotion"]], each["confidence"], each["values"]) for each in drawn["points"]]
    assert facts == [
        ("😐 neutral", 1.0, []),
        ("–", None, ["arousal 0.30", "valence 0.50"]),
        ("rabbia", 0.5, ["arousal 0.20", "valence 0.50"]),
        ("calma", 0.5, ["arousal 0.10", "valence 0.50"]),
        ("rabbia", 0.5, ["arousal 0.00", "valence 0.50"]),
    ]
