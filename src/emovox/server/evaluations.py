"""Evaluations of stored recognitions: made of lists of labels and the archive, and kept as files."""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from emovox import files, private
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.labelled import StoredRecordings
from emovox.errors import LabelsError
from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import Competing
from emovox.evaluation.stored import evaluate_stored
from emovox.inference.recognition import ModelFacts
from emovox.labels.label_list import Labelled, read_labels
from emovox.models.metadata import Metadata
from emovox.server.http.problems import Problem, invalid

ID = re.compile(r"evaluation_[0-9]{8}_[0-9]{6}_[0-9a-f]{4}")
MOST_ROWS = 50_000
_TOLD = 100  # recordings that aren't stored, by name
_SCRATCH = "labels-"


class LabelFile(NamedTuple):
    """A file of labels that was sent: what it is called, and where it is."""

    name: str
    path: Path


class Evaluations:
    """The reports in a directory, a file each."""

    def __init__(self, directory: Path, archive: Archive) -> None:
        self._directory, self._archive = directory, archive
        for scratch in directory.glob(f"{_SCRATCH}*"):  # a kill interrupted it
            shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for lists, for as long as they are read."""
        private.make_directory(self._directory)
        with TemporaryDirectory(dir=self._directory, prefix=_SCRATCH) as name:
            yield Path(name)

    def make(
        self,
        title: str,
        sent: Sequence[LabelFile],
        *,
        label_column: str | None,
        labels_map: Mapping[str, str],
        competing: Competing,
        model: str | None,
        group: str | None,
        metadata: Callable[[str], Metadata | None],
    ) -> dict[str, Any]:
        """Compare lists with what the archive has of their recordings, and keep the report.

        Args:
            title: of the report.
            sent: the lists; those of annotation programs are about stretches of the stored recordings that are
                called as they are.
            label_column: as of `read_labels`.
            labels_map: as of `evaluate`.
            competing: likewise.
            model: only what it recognised; None: the one with the most of them.
            group: as of `evaluate`.
            metadata: of a model of this name, if it is installed.

        Raises:
            LabelsError: a list can't be used, or nothing can be compared.
            Problem: 422, they are too long.
        """
        stored = StoredRecordings(self._archive, Filter(model=model))
        rows = self._rows(sent, label_column, stored)
        matches = stored.match(rows, metadata)
        scored = [(row, scores) for row, _, scores in matches if scores is not None]
        if matches and not scored:
            raise LabelsError(
                f"{title}: its recordings are stored with neither segments nor frames, so nothing is known of "
                "stretches of them: recognise them again with segments"
            )
        names = {row.name for row, _ in scored}
        missing = [row.name for row in rows if row.name not in names]
        facts = matches[0].record if matches else None
        installed = None if facts is None else metadata(facts.model)
        evaluation = evaluate_stored(
            [row for row, _ in scored],
            [scores for _, scores in scored],
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
            corpora=() if installed is None else installed.corpora,
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

    @staticmethod
    def _rows(sent: Sequence[LabelFile], label_column: str | None, stored: StoredRecordings) -> list[Labelled]:
        """The rows of all lists; one that two of them have is there once.

        Raises:
            LabelsError: one can't be read, or a recording has two labels.
            Problem: 422, they are too many.
        """
        rows: dict[str, Labelled] = {}
        for name, path in sent:
            if path.suffix.lower() == ".yaml":
                raise LabelsError(f"{name}: a database in audformat is read where its tables are: emovox evaluate")
            try:
                labels = read_labels(path, labels=label_column, recording=stored.recording_of)
            except LabelsError as error:
                raise LabelsError(str(error).replace(str(path), name)) from None
            for row in labels:
                other = rows.setdefault(row.name, row)
                if other.label != row.label:
                    raise LabelsError(f"{name}: {row.name} is labelled {other.label!r} and {row.label!r}")
            if len(rows) > MOST_ROWS:
                raise invalid([{"field": "labels", "reason": f"more than {MOST_ROWS} labels"}])
        return list(rows.values())

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


def _read(path: Path) -> dict[str, Any] | None:
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None
