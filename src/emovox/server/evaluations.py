"""Evaluations of stored recognitions: made of a list of labels and the archive, and kept as files."""

import json
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from emovox import files, private
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.errors import LabelsError
from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import Competing
from emovox.evaluation.stored import evaluate_stored
from emovox.inference.recognition import ModelFacts
from emovox.labels.label_list import Labelled, read_labels
from emovox.server.http.problems import Problem, invalid

ID = re.compile(r"evaluation_[0-9]{8}_[0-9]{6}_[0-9a-f]{4}")
DIGESTS = ("sha256", "digest")  # columns that name a recording for certain
MOST_ROWS = 50_000
_TOLD = 100  # recordings that aren't stored, by name
Space = tuple[str, str]  # a model and its revision


class Evaluations:
    """The reports in a directory, a file each."""

    def __init__(self, directory: Path, archive: Archive) -> None:
        self._directory, self._archive = directory, archive

    def make(
        self,
        title: str,
        labels: str,
        form: Literal["csv", "tsv", "jsonl"],
        *,
        labels_map: Mapping[str, str],
        competing: Competing,
        model: str | None,
        group: str | None,
        corpora: Callable[[str], Sequence[str]],
    ) -> dict[str, Any]:
        """Compare a list with what the archive has of its recordings, and keep the report.

        `corpora` are those that a model of this name says it was trained on.

        Raises:
            LabelsError: the list can't be used, or nothing can be compared.
            Problem: 422, it is too long.
        """
        with TemporaryDirectory(dir=private_directory(self._directory)) as scratch:
            path = Path(scratch) / f"labels.{form}"
            path.write_text(labels, encoding="utf-8")
            try:
                rows = read_labels(path)
            except LabelsError as error:
                raise LabelsError(str(error).replace(str(path), title)) from None
        if len(rows) > MOST_ROWS:
            raise invalid([{"field": "labels", "reason": f"more than {MOST_ROWS} recordings"}])
        matches = _matched(rows, self._archive.all(Filter(model=model)))
        names = {row.name for row, _ in matches}
        missing = [row.name for row in rows if row.name not in names]
        facts = matches[0][1] if matches else None
        evaluation = evaluate_stored(
            [row for row, _ in matches],
            [record.scores or {} for _, record in matches],
            ModelFacts.model_validate(
                {
                    "name": facts.model if facts else "",
                    "revision": facts.revision if facts else "",
                    "precision": (facts and facts.precision) or "fp32",
                    "checksum": (facts and facts.checksum) or "",
                }
            ),
            source=Path(title),
            labels_map=labels_map,
            competing=competing,
            group=group,
            corpora=corpora(facts.model) if facts else (),
        )
        now = datetime.now(timezone.utc)
        report = {
            "id": f"evaluation_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(2)}",
            "title": title,
            "created_at": now.isoformat(),
            **evaluation.to_dict(),
            "doubts": doubts(evaluation),
            "missing": {"count": len(missing), "names": missing[:_TOLD]},
        }
        files.write(self._path(report["id"]), json.dumps(report, ensure_ascii=False).encode())
        return report

    def all(self) -> list[dict[str, Any]]:
        """All that can be read, latest first."""
        paths = self._directory.glob("evaluation_*.json") if self._directory.is_dir() else ()
        reports = [report for path in paths if (report := _read(path)) is not None]
        return sorted(reports, key=lambda report: str(report["created_at"]), reverse=True)

    def get(self, id_: str) -> dict[str, Any]:
        """One.

        Raises:
            Problem: 404, there is none.
        """
        report = _read(self._path(id_))
        if report is None:
            raise Problem(404, "no-such-evaluation", "there is no evaluation with this id")
        return report

    def remove(self, id_: str) -> None:
        """Delete one. Raises as `get`."""
        self.get(id_)
        self._path(id_).unlink(missing_ok=True)

    def _path(self, id_: str) -> Path:
        return self._directory / f"{id_}.json"


def private_directory(path: Path) -> Path:
    """A directory that is made where it isn't there."""
    private.make_directory(path)
    return path


def _read(path: Path) -> dict[str, Any] | None:
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _matched(rows: Sequence[Labelled], records: Iterable[ArchiveRecord]) -> list[tuple[Labelled, ArchiveRecord]]:
    """Rows with the latest record of their recording, all of the model and revision that has the most of them.

    A recording is known by a column of its sha256, by its name as the list has it, or by the name of its file if
    no other recording has that.
    """
    by_space: dict[Space, dict[str, dict[str, ArchiveRecord]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:  # latest first
        if record.scores is None or record.channel is not None:
            continue
        keys = by_space[record.model, record.revision]
        name = record.name or ""
        for key in {record.sha256, name, Path(name).name} - {""}:
            keys[key].setdefault(record.sha256, record)
    found: dict[Space, list[tuple[Labelled, ArchiveRecord]]] = {}
    for space, keys in by_space.items():
        pairs = ((row, _one(row, keys)) for row in rows)
        found[space] = [(row, record) for row, record in pairs if record is not None]
    counts = Counter({space: len(pairs) for space, pairs in found.items()})
    return found[counts.most_common(1)[0][0]] if counts else []


def _one(row: Labelled, keys: Mapping[str, Mapping[str, ArchiveRecord]]) -> ArchiveRecord | None:
    digest = next((row.groups[name].lower() for name in DIGESTS if row.groups.get(name)), None)
    names = (row.name, Path(row.name.replace("\\", "/")).name) if digest is None else (digest,)
    for name in names:
        records = keys.get(name, {})
        if len(records) == 1:
            return next(iter(records.values()))
    return None
