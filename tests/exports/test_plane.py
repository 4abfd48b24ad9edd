from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emovox import exports
from emovox.errors import ExportError
from emovox.exports import plane
from emovox.exports.plane import Plane, Point, find_plane
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import ReadoutResult, Recognition, Segment
from support import tiny
from support.results import recognition, recording, segment

ORDERS = [("arousal", "dominance", "valence"), ("Valence", "Arousal"), ("valence", "dominance", "arousal")]


def result(labels: tuple[str, ...] = ORDERS[0]) -> Recognition:
    """Ten seconds: arousal rises from 0.1 to 0.9, valence falls from 0.8 to 0.2; silence from 4 to 6 s."""
    rise = np.linspace(0, 1, 500)
    rows = {"arousal": 0.1 + 0.8 * rise, "valence": 0.8 - 0.6 * rise, "dominance": 0.5 + 0 * rise}
    values = np.stack([rows[label.casefold()] for label in labels], axis=1).astype(np.float32)

    def part(first: float, last: float) -> dict[str, ReadoutResult]:
        mean = values[int(first * 50) : int(last * 50)].mean(axis=0)
        numbers = {label: float(number) for label, number in zip(labels, mean, strict=True)}
        return {"dimensions": ReadoutResult(kind="pooled", values=numbers, range=(0, 1))}

    curve = FrameReadout(kind="pooled", labels=list(labels), range=(0, 1), values=values)
    return recognition(
        emotion=None, confidence=None, scores=None, recording=recording(10),
        readouts=part(0, 10),
        segments=[Segment(start=a, end=b, readouts=part(a, b)) for a, b in ((0, 4), (6, 10))],
        frames=Frames(hop=0.02, first_centre=0.0125, smoothing=1, readouts={"dimensions": curve}),
    )  # fmt: skip


@pytest.mark.parametrize("labels", ORDERS)
def test_the_two_are_found_by_their_names(labels: tuple[str, ...]) -> None:
    item = result(labels)
    found = find_plane(item.readouts)
    assert found is not None
    assert (found.valence.casefold(), found.arousal.casefold()) == ("valence", "arousal")
    axes = plane.draw(item, language="en").axes[0]
    [way] = axes.collections[0:1]
    first, last = way.get_segments()[0], way.get_segments()[-1]  # type: ignore[attr-defined]
    np.testing.assert_allclose(first[0], [0.8, 0.1], atol=0.01)  # x is valence, y arousal
    np.testing.assert_allclose(last[1], [0.2, 0.9], atol=0.01)
    stops = np.asarray(axes.collections[1].get_offsets())
    np.testing.assert_allclose(stops, [[0.68, 0.26], [0.32, 0.74]], atol=0.01)


def test_where_nobody_speaks_there_is_no_way() -> None:
    way = plane.draw(result(), language="en").axes[0].collections[0]
    arousal = np.concatenate([piece[:, 1] for piece in way.get_segments() if len(piece)])  # type: ignore[attr-defined]
    spoken = arousal[np.isfinite(arousal)]
    assert len(spoken) > 100
    assert not ((spoken > 0.43) & (spoken < 0.57)).any()


def test_values_outside_the_range_are_in_the_picture() -> None:
    axes = plane.draw_points([Point(1.4, -0.2), Point(0.5, 0.5)], language="en", range_=(0, 1)).axes[0]
    assert axes.get_xlim()[1] > 1.4
    assert axes.get_ylim()[0] < -0.2
    assert list(axes.get_xticks()) == [0, 0.5, 1]


def test_files(tmp_path: Path) -> None:
    paths = exports.write(result(), tmp_path, ["plane", "plane_svg"], language="zh")
    assert [path.name for path in paths] == ["plane.png", "plane.svg"]
    with Image.open(tmp_path / "plane.png") as image:
        assert len(image.convert("RGB").getcolors(2**24) or []) > 100
    first = (tmp_path / "plane.svg").read_bytes()
    exports.write(result(), tmp_path, ["plane_svg"])
    exports.write(result(), tmp_path, ["plane_svg"], language="zh")
    assert (tmp_path / "plane.svg").read_bytes() == first


def test_without_arousal_and_valence_there_is_none(tmp_path: Path) -> None:
    item = recognition(segments=[segment(0, 1)])
    with pytest.raises(ExportError, match="arousal and valence, which this model doesn't give"):
        exports.write(item, tmp_path, ["plane"])
    assert not list(tmp_path.iterdir())
    assert exports.suitable(item, ["plane", "srt"]) == ("srt",)
    silent = recognition(emotion=None, confidence=None, scores=None, segments=[])
    assert [path.name for path in exports.write(silent, tmp_path, ["plane"])] == ["plane.png"]
    exports.check_values(["plane"], [tiny.EMOTIONS, tiny.DIMENSIONS])
    exports.check_values(["srt"], [tiny.EMOTIONS])
    for readouts in ([tiny.EMOTIONS], [], [tiny.DIMENSIONS.model_copy(update={"labels": ("arousal", "x")})]):
        with pytest.raises(ExportError, match="arousal and valence"):
            exports.check_values(["plane"], readouts)


def test_many_have_the_colours_of_their_emotions() -> None:
    points = [Point(0.2, 0.8, "angry"), Point(0.3, 0.9, "angry"), Point(0.9, 0.7, "happy"), Point(0.5, 0.5)]
    axes = plane.draw_points(points, language="en", range_=(0, 1)).axes[0]
    named = {str(item.get_label()): np.asarray(item.get_offsets()) for item in axes.collections}
    np.testing.assert_allclose(named["angry"], [[0.2, 0.8], [0.3, 0.9]])
    np.testing.assert_allclose(named["happy"], [[0.9, 0.7]])
    memory = BytesIO()
    plane.write_points(points, memory, kind="png", language="zh", range_=None)
    assert memory.getvalue().startswith(b"\x89PNG")


def test_the_first_readout_with_both_is_taken() -> None:
    readouts = {
        "one": ReadoutResult(kind="linear", values={"arousal": 1.0}),
        "two": ReadoutResult(kind="linear", values={"Arousal": 1.0, "valence": 2.0}, range=(1, 7)),
    }
    assert find_plane(readouts) == Plane("two", "valence", "Arousal", (1, 7))
    assert find_plane({}) is None
