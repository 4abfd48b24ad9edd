import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.wav import WavWriter
from emovox.errors import LabelsError
from emovox.evaluation.report import values_report
from emovox.evaluation.value_evaluation import evaluate_values
from emovox.evaluation.value_metrics import measure_values
from emovox.inference.recognizer import Recognizer
from emovox.labels.value_list import Rated
from emovox.models.readout import Readout
from support import tiny

LIST = Path("rated.csv")


def write(path: Path, samples: NDArray[np.float32]) -> Path:
    writer = WavWriter(path)
    writer.write(samples.astype(np.float32))
    writer.close()
    return path


@pytest.fixture
def values(tmp_path: Path) -> Recognizer:
    return Recognizer(tiny.write(tmp_path / "values.onnx", readouts=(tiny.EMOTIONS, tiny.DIMENSIONS)))


@pytest.fixture
def rows(tmp_path: Path) -> list[Rated]:
    """Recordings whose arousal is tanh of their mean, rated from 1 to 7 with some error."""
    rng = np.random.default_rng(0)
    rated = []
    for number, level in enumerate(rng.uniform(0.05, 0.3, 12)):
        path = write(tmp_path / f"{number}.wav", level + 0.01 * rng.standard_normal(16_000))
        ratings = {"arousal": 1 + 6 * (np.tanh(level) + rng.normal(0, 0.02)), "valence": 4.0 + number % 2}
        rated.append(Rated(path, ratings, path.name, {"speaker": "abc"[number % 3], "take": str(number)}))
    return rated


def test_ratings_are_mapped_and_compared(values: Recognizer, rows: list[Rated]) -> None:
    begun: list[str] = []
    result = evaluate_values(rows, values, tiny.DIMENSIONS, source=LIST, scale=(1, 7), begin=begun.append)
    assert begun == [row.name for row in rows]
    assert result.names == ("arousal", "valence")  # nobody rated dominance
    given = [values.recognize(row.path).readouts["dimensions"].values or {} for row in rows]
    ratings = np.array([[(row.values[name] - 1) / 6 for name in result.names] for row in rows])
    np.testing.assert_allclose(result.labels, ratings)
    np.testing.assert_allclose(result.values, [[one["arousal"], one["valence"]] for one in given])
    alone = measure_values(result.values[:, 0], ratings[:, 0])
    assert result.measures["arousal"].to_dict() == alone.to_dict()
    assert alone.ccc > 0.7
    low, high = result.intervals["arousal"]["ccc"]
    assert low < alone.ccc < high
    assert result.drawn == "2000 bootstrap draws of whole groups, by speaker (3)"
    own = [number for number, row in enumerate(rows) if row.groups["speaker"] == "b"]
    part = measure_values(result.values[own, 0], ratings[own, 0])
    assert result.groups["speaker"]["b"]["arousal"].to_dict() == part.to_dict()
    assert list(result.groups) == ["speaker"]  # a take is one recording
    assert result.mapping == "Ratings from 1 to 7 were mapped linearly to 0 to 1."
    facts = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (facts["readout"], facts["range"], facts["range_in_list"]) == ("dimensions", [0, 1], [1, 7])
    assert facts["values"]["arousal"]["ccc"] == round(alone.ccc, 4)
    assert facts["intervals"]["values"]["arousal"]["ccc"] == [low, high]
    assert facts["groups"]["speaker"]["b"]["valence"]["clips"] == 4


def test_a_scale_is_never_guessed(values: Recognizer, rows: list[Rated]) -> None:
    def refused(rated: list[Rated], readout: Readout = tiny.DIMENSIONS, **options: tuple[float, float]) -> str:
        with pytest.raises(LabelsError) as caught:
            evaluate_values(rated, values, readout, source=LIST, **options)  # type: ignore[arg-type]
        return str(caught.value)

    said = refused(rows)
    assert said.startswith("rated.csv: the ratings of arousal go from ")
    assert "dimensions from 0 to 1" in said
    assert "--range LOW,HIGH, such as 1,7" in said
    assert "the ratings of valence go from 4 to 5, which is outside --range 1,4" in refused(rows, scale=(1, 4))
    unknown = tiny.DIMENSIONS.model_copy(update={"range": None})
    assert "isn't known, so nothing can be mapped to it" in refused(rows, unknown, scale=(1, 7))
    small = [replace(row, values={"valence": row.values["valence"] / 7}) for row in rows]
    plain = evaluate_values(small, values, tiny.DIMENSIONS, source=LIST)
    np.testing.assert_allclose(plain.labels[:, 0], [row.values["valence"] for row in small])
    assert plain.mapping == "The ratings are taken as they are."
    free = evaluate_values(rows, values, unknown, source=LIST)  # no range, so any rating may be right
    assert free.measures["valence"].pearson == pytest.approx(plain.measures["valence"].pearson)


def test_what_can_t_be_compared_is_listed(values: Recognizer, rows: list[Rated], tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.wav", np.zeros(16_000, np.float32))
    bad = [
        Rated(silent, {"arousal": 3.0}, "silent.wav", {"speaker": "z"}),
        Rated(tmp_path / "none.wav", {"arousal": 3.0}, "none.wav"),
        Rated(tmp_path / "never opened.wav", {}, "unrated"),
    ]
    some = [replace(rows[0], values={"valence": 4.0}), *rows[1:]]
    result = evaluate_values([*some, *bad], values, tiny.DIMENSIONS, source=LIST, scale=(1, 7))
    assert [name for name, _ in result.failures] == ["silent.wav", "none.wav"]
    assert result.failures[0][1] == "silence"
    assert result.unrated == 1
    assert (result.measures["arousal"].clips, result.measures["valence"].clips) == (11, 12)
    assert math.isnan(result.labels[0, 0])
    assert result.to_dict()["clips"] == 14
    page = values_report(result, "calls <1>").html()
    for said in (
        "calls &lt;1&gt;",
        "mapped linearly to 0 to 1",
        "CCC",
        "By speaker",
        "silent.wav",
        "no rating: 1.",
    ):
        assert said in page
    assert page.count("data:image/png;base64,") == 1
    nothing = evaluate_values(bad, values, tiny.DIMENSIONS, source=LIST, scale=(1, 7))
    assert nothing.measures["arousal"].clips == 0
    assert "–" in values_report(nothing, "x").html()
