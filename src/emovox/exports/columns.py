"""Columns of tables, and frames in chunks that fit into memory."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.raw import WITHOUT, raw
from emovox.inference.recognition import Line, ReadoutResult, Recognition, Segment
from emovox.models.head import Head
from emovox.models.metadata import Metadata

_ROWS = 2**14  # frames at once: five and a half minutes

ORIGIN = ("path", "outputs")
"""The first columns in a table of many recordings: where the recording was, and its outputs directory."""
_SEGMENT: dict[str, type] = {
    **dict.fromkeys(("start", "end"), float),
    "emotion": str,
    **dict.fromkeys(("confidence", *NAMES), float),
    "channel": int,
}
_FRAME = ("time", *NAMES, *(f"logit_{name}" for name in NAMES))

Cell = str | float | int | None


class Layout:
    """The columns that readouts have in a table: those of all its recordings, each once.

    A readout has `READOUT.label` and `READOUT.confidence` if it gives classes, and `READOUT.LABEL` for each class
    or value.

    Attributes:
        labels: of each readout, by its name, in the order in which they came.
        classes: the names of those that give classes.
        relative: whether a recording has a baseline, so that there are columns of what would be without.
        moved: the readouts with classes of their own that baselines moved.
        sides: whether a recording has a side, so that there are columns of it and of the policy.
        notes: which of purpose and consent were declared of a recording, so that there are columns of them.
        labels_given: whether somebody said what a segment is, so that there is a column of it, `label`.
    """

    def __init__(self) -> None:
        self.labels: dict[str, list[str]] = {}
        self.classes: set[str] = set()
        self.relative = False
        self.moved: list[str] = []
        self.sides = False
        self.notes: tuple[str, ...] = ()
        self.labels_given = False

    @classmethod
    def of(cls, recognition: Recognition) -> "Layout":
        """The layout of one recording."""
        layout = cls()
        layout.add(recognition.readouts)
        layout.add_baseline(recognition.baseline)
        for segment in recognition.segments or []:
            layout.add(segment.readouts)
            layout.labels_given = layout.labels_given or segment.label is not None
        for line in recognition.lines or []:
            layout.add(line.readouts)
        if recognition.frames is not None:  # where nothing was to judge they are all that tells the columns
            for name, curve in recognition.frames.readouts.items():
                layout.add_readout(name, curve.labels, classes=curve.scores is not None)
        return layout

    @classmethod
    def of_model(cls, metadata: Metadata, head: Head | None, *, relative: bool = False) -> "Layout":
        """The layout of what a model and a trained head will give.

        Args:
            metadata: of the model.
            head: None: there is none.
            relative: whether a baseline will move the model's emotions.
        """
        layout = cls()
        for readout in metadata.readouts:
            if not readout.is_nine:
                layout.add_readout(readout.name, readout.labels, classes=not readout.gives_values)
        if head is not None:
            layout.add_readout(head.name, head.values or head.classes, classes=not head.values)
        if relative and metadata.emotions is not None:
            layout.relative, layout.moved = True, [metadata.emotions.name]
        return layout

    def add(self, readouts: Mapping[str, ReadoutResult]) -> None:
        """Make room for what a recording or a segment has."""
        for name, item in readouts.items():
            numbers, classes = (item.values or {}, False) if item.scores is None else (item.scores, True)
            self.add_readout(name, numbers, classes=classes)

    def add_baseline(self, baseline: BaselineFacts | None) -> None:
        """Make room for what a recording would be without its baseline."""
        if baseline is not None:
            self.relative = True
            _extend(self.moved, baseline.shift)

    def add_readout(self, name: str, labels: Iterable[str], *, classes: bool) -> None:
        """Make room for one readout."""
        _extend(self.labels.setdefault(name, []), labels)
        if classes:
            self.classes.add(name)

    def segment_columns(self) -> dict[str, type]:
        """The columns of segments, with the types of their cells."""
        labels = [("label", str)] if self.labels_given else []
        last = [*self.last_columns().items(), *labels]
        return _unique([*_SEGMENT.items(), *self.readout_columns().items(), *last])

    def last_columns(self) -> dict[str, type]:
        """The columns behind all others, of a segment or a recording; none if nothing has a baseline."""
        return {"baseline": str, **self.without_columns()} if self.relative else {}

    def without_columns(self) -> dict[str, type]:
        """The columns of what scores would be without a baseline; none if nothing has one."""
        if not self.relative:
            return {}
        columns: list[tuple[str, type]] = [("emotion", str), ("confidence", float)]
        columns += [(name, float) for name in NAMES]
        for name in self.own_moved:
            columns += [(f"{name}.label", str), (f"{name}.confidence", float)]
            columns += [(f"{name}.{label}", float) for label in self.labels[name]]
        return _unique((f"{name}{WITHOUT}", kind) for name, kind in columns)

    @property
    def own_moved(self) -> list[str]:
        """Those of `moved` that have columns of their own: not the nine by their names."""
        return [name for name in self.moved if name in self.labels]

    def frame_columns(self) -> list[str]:
        """The columns of frames; all are numbers."""
        columns = [f"{name}.{label}" for name, labels in self.labels.items() for label in labels]
        names = [*_FRAME, *columns]
        if self.relative:
            names += [f"{name}{WITHOUT}" for name in NAMES]
            names += [f"{name}.{label}{WITHOUT}" for name in self.own_moved for label in self.labels[name]]
        return list(_unique((name, float) for name in names))

    def readout_columns(self) -> dict[str, type]:
        """The columns of readouts, the same for a segment and for a whole recording, with their types."""
        columns: list[tuple[str, type]] = []
        for name, labels in self.labels.items():
            if name in self.classes:
                columns += [(f"{name}.label", str), (f"{name}.confidence", float)]
            columns += [(f"{name}.{label}", float) for label in labels]
        return _unique(columns)

    def segment_cells(self, item: Segment | Line, baseline: str | None = None) -> list[Cell]:
        """The row of a segment; `baseline` is the name of the one that its scores are relative to."""
        scores: Mapping[str, float] = item.scores or {}
        cells: list[Cell] = [item.start, item.end, item.emotion, item.confidence]
        cells += [*map(scores.get, NAMES), getattr(item, "channel", None)]
        cells += self.readout_cells(item.readouts)
        label: list[Cell] = [getattr(item, "label", None)] if self.labels_given else []
        return [*cells, *self.last_cells(item, baseline), *label]

    def line_columns(self) -> dict[str, type]:
        """The columns of lines of text: those of segments, with the text behind the times."""
        (start, *_), (end, *_), *others = [(name, kind) for name, kind in self.segment_columns().items()]
        return _unique([(start, float), (end, float), ("text", str), *others])

    def line_cells(self, item: Line, baseline: str | None = None) -> list[Cell]:
        """The row of a line; as `segment_cells`."""
        start, end, *others = self.segment_cells(item, baseline)
        return [start, end, item.text, *others]

    def last_cells(self, item: Recognition | Segment | Line, baseline: str | None) -> list[Cell]:
        """The cells of `last_columns`; `baseline` is the name of the one that scores are relative to."""
        if not self.relative:
            return []
        if baseline is None:
            return [None, *self.without_cells(None, {})]
        before: Recognition | Segment | Line = raw(item)
        return [baseline, *self.without_cells(before.scores, before.readouts)]

    def without_cells(
        self, scores: Mapping[str, float] | None, readouts: Mapping[str, ReadoutResult]
    ) -> list[Cell]:
        """The cells of `without_columns`, by what there is without the baseline; None and {}: there is none."""
        best = max(scores, key=scores.__getitem__) if scores else None
        cells: list[Cell] = [best, (scores or {}).get(best or "")]
        cells += map((scores or {}).get, NAMES)
        for name in self.own_moved:
            item = readouts.get(name)
            cells += [None, None] if item is None else [item.label, item.confidence]
            cells += map(((item and item.scores) or {}).get, self.labels[name])
        return cells

    def readout_cells(self, readouts: Mapping[str, ReadoutResult]) -> list[Cell]:
        """The cells of `readout_columns`."""
        cells: list[Cell] = []
        for name, labels in self.labels.items():
            item = readouts.get(name)
            if name in self.classes:
                cells += [None, None] if item is None else [item.label, item.confidence]
            numbers = {} if item is None else (item.values if item.scores is None else item.scores) or {}
            cells += map(numbers.get, labels)
        return cells


class Chunk(NamedTuple):
    """Some frames: their centres in seconds, float64 (n,), and the numbers of the columns after it, (n, columns).

    NaN is an empty cell: a frame that doesn't count, or a column that this recording hasn't.
    """

    times: NDArray[np.float64]
    numbers: NDArray[np.float32]


def chunks(frames: Frames | None, layout: Layout, without: Frames | None = None) -> Iterator[Chunk]:
    """All frames in order, in chunks, with the numbers of a layout's `frame_columns`.

    Args:
        frames: those of a recording.
        layout: the columns.
        without: the same as they would be without a baseline; None: there is none.
    """
    if frames is None:
        return
    every, sources = frames.times, [*_sources(frames, layout)]
    if layout.relative:
        sources += _sources_without(without, layout)
    for first in range(0, len(every), _ROWS):
        times = every[first : first + _ROWS]
        numbers = np.full((len(times), len(sources)), np.nan, np.float32)
        for column, source in enumerate(sources):
            if source is not None:
                numbers[:, column] = source[first : first + _ROWS]
        yield Chunk(times, numbers)


def _sources(frames: Frames, layout: Layout) -> Iterator[NDArray[np.float32] | None]:
    """The numbers of every frame, (T,), for each column but the time's; None: there are none."""
    for rows in (frames.scores, frames.logits):
        yield from [None] * len(NAMES) if rows is None else rows.T
    for name, labels in layout.labels.items():
        curve = frames.readouts.get(name)
        for label in labels:
            yield None if curve is None else _column(curve, label)


def _sources_without(frames: Frames | None, layout: Layout) -> Iterator[NDArray[np.float32] | None]:
    scores = None if frames is None else frames.scores
    yield from [None] * len(NAMES) if scores is None else scores.T
    for name in layout.own_moved:
        curve = None if frames is None else frames.readouts.get(name)
        for label in layout.labels[name]:
            yield None if curve is None else _column(curve, label)


def _column(curve: FrameReadout, label: str) -> NDArray[np.float32] | None:
    return curve.numbers[:, curve.labels.index(label)] if label in curve.labels else None


def _extend(labels: list[str], more: Iterable[str]) -> None:
    labels += [label for label in more if label not in labels]


def _unique(columns: Iterable[tuple[str, type]]) -> dict[str, type]:
    """The same, an underscore behind a name that is there already: a class may be called `label`."""
    unique: dict[str, type] = {}
    for name, kind in columns:
        while name in unique:
            name += "_"  # noqa: PLW2901
        unique[name] = kind
    return unique
