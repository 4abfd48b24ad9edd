from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.archive import Archive, Filter
from emovox.archive.statistics import ValueStats
from emovox.inference.recognition import ReadoutResult
from support.records import record, without_nine


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    with Archive() as archive:
        archive.add_records(without_nine(number) for number in range(30))
        archive.add_records(record(number) for number in range(30, 39))
        yield archive


def check(value: ValueStats, numbers: "list[float] | NDArray[np.float64]") -> None:
    """Whether they are those of numbers."""
    assert value.count == len(numbers)
    assert value.mean == pytest.approx(np.mean(numbers))
    assert value.deviation == pytest.approx(np.std(numbers, ddof=1), abs=1e-7)


def test_values_have_a_mean_and_a_standard_deviation(archive: Archive) -> None:
    arousal = np.arange(30) / 10
    archive.tag(record(3).sha256, "x")
    archive.tag(record(6).sha256, "x")
    values = {"dimensions": ReadoutResult(kind="pooled", values={"arousal": 7.0})}
    archive.add_records([without_nine(40, model="other", readouts=values)])
    readout = archive.stats().readouts["dimensions"]
    assert readout.by_label == {}
    check(readout.values["arousal"], [*arousal, 7.0])
    check(readout.values["valence"], [0.5] * 30)
    assert readout.by_model["other"] == {"arousal": ValueStats(1, 7.0, None)}
    check(readout.by_model["foreign"]["arousal"], arousal)
    check(readout.by_tag["x"]["arousal"], [0.3, 0.6])
    assert sum(values["arousal"].count for values in readout.by_day.values()) == 31
    assert list(readout.by_day) == sorted(readout.by_day)
    some = archive.stats(Filter.parse(["arousal>2.75", "model=foreign"]))
    assert some.readouts["dimensions"].values["arousal"].count == some.recognitions == 2
    assert archive.stats(Filter(tag="x")).readouts["dimensions"].values["arousal"].count == 2


def test_classes_are_counted_by_the_one_that_leads(archive: Archive) -> None:
    stats = archive.stats()
    assert stats.readouts["emotion"].by_label == {"calma": 15, "rabbia": 15}
    assert stats.readouts["emotion"].values == {}
    assert (stats.recognitions, sum(stats.by_emotion.values())) == (39, 9)
    assert archive.stats(Filter.parse(["emotion=calma"])).readouts["emotion"].by_label == {"calma": 15}


def test_one_name_may_be_of_classes_and_of_values(archive: Archive) -> None:
    archive.add_records([record(50, readouts={"emotion": ReadoutResult(kind="pooled", values={"anger": 2.0})})])
    readout = archive.stats().readouts["emotion"]
    assert (sum(readout.by_label.values()), readout.values) == (30, {"anger": ValueStats(1, 2.0, None)})
