"""The upgrade: recognitions by other revisions of a model become those of this one, all at once at the end."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from emovox import exports, files
from emovox.archive.pooling import pooled
from emovox.archive.record import ArchiveRecord, Floats
from emovox.archive.rows import Replacement
from emovox.baselines.baseline import SELF, Baseline
from emovox.baselines.removal import locked
from emovox.errors import DecoderError, EmovoxError, ExportError
from emovox.exports import Language
from emovox.inference.options import Options, Request, Sink
from emovox.inference.recognizer import Recognizer
from emovox.models.fitted import Fitted
from emovox.models.head import REPORT, Head, head_path
from emovox.outputs import RESULT
from emovox.packages import missing
from emovox.upgrade.fitted import BaselineFitting, Outcome, families, train_again, unfittable
from emovox.upgrade.material import Material, allowed, is_same, material_of
from emovox.upgrade.plan import NO_SOUND
from emovox.upgrade.selection import Selection, waiting
from emovox.upgrade.staging import BASELINES, HEADS, Draft, Staging

Kind = TypeVar("Kind", bound=Fitted)

_TOGETHER = 8  # recordings that go to a model together where that pays
_SWITCHED = 500  # records that are replaced at once
CHANGED = "the recording where it was is another now"


@dataclass
class Report:
    """What was done.

    Attributes:
        upgraded: recognitions that are of the new revision now.
        left: how many stay as they are, by why.
        failed: names of those that could not be recognised again, and why.
        without: how many are without a head or baseline that is gone, by its name.
        heads: what became of each that was of another revision.
        baselines: likewise.
    """

    upgraded: int = 0
    left: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    without: Counter[str] = field(default_factory=Counter)
    heads: list[Outcome[Head]] = field(default_factory=list)
    baselines: list[Outcome[Baseline]] = field(default_factory=list)


class Upgrade:
    """An upgrade of an archive to the revision of a recognizer's model.

    Until everything is made nothing changes: recognitions, outputs, heads and baselines stay and are used. What
    was made when an upgrade is killed is used by the next.
    """

    def __init__(
        self,
        selection: Selection,
        recognizer: Recognizer,
        *,
        language: Language = "en",
        begin: Callable[[str], None] = lambda _: None,
        end: Callable[[], None] = lambda: None,
        sink: Sink | None = None,
    ) -> None:
        """Prepare.

        Args:
            selection: of what.
            recognizer: the model.
            language: of exports that are written again.
            begin: is told the name of each recording, head and baseline before its turn.
            end: is called after each.
            sink: is given all waveforms that are recognised.
        """
        self._selection, self._recognizer, self._language = selection, recognizer, language
        self._begin, self._end, self._sink = begin, end, sink

    def run(self) -> Report:
        """Do it.

        Raises:
            ArchiveError: another process does it now, or nothing can be written.
            DecoderError: as `Recognizer.recognize`.
            OSError: the disk is full, for example.
            sqlalchemy.exc.SQLAlchemyError: the archive can't be written.
        """
        staging, done, report = Staging(self._recognizer.model), False, Report()
        try:
            self._train(staging, report)
            self._fit(staging, report)
            ids = self._infer(staging, report)
            report.upgraded = self._switch(staging, ids, report)
            done = True
        finally:
            staging.close(done=done)
        return report

    def _train(self, staging: Staging, report: Report) -> None:
        for head in self._selection.fitted(Head):
            path = staging.path / HEADS / f"{head.name}.json"
            self._begin(head.name)
            outcome = Outcome(head.name, Head.read(path)) if path.exists() else self._train_again(head, path)
            if outcome.fitted is not None:
                outcome.fitted.write(path)
            report.heads.append(outcome)
            self._end()

    def _train_again(self, head: Head, path: Path) -> Outcome[Head]:
        has_report = head_path(head.name).with_suffix(REPORT).exists() and not missing(["matplotlib"])
        return train_again(head, self._recognizer, report=path.with_suffix(REPORT) if has_report else None)

    def _fit(self, staging: Staging, report: Report) -> None:
        fitting = BaselineFitting(
            self._selection, self._recognizer, lambda record: self._embeddings(record, staging), self._sink
        )
        for whole, members in families(self._selection.fitted(Baseline)):
            items = [*([] if whole is None else [whole]), *members]
            paths = {item.name: staging.path / BASELINES / f"{item.name}.json" for item in items}
            self._begin(items[0].name)
            if whole is None:
                outcomes = [Outcome[Baseline](item.name, None, unfittable(whole, members)) for item in members]
            elif all(path.exists() for path in paths.values()):
                outcomes = [Outcome(name, Baseline.read(path)) for name, path in paths.items()]
            else:
                outcomes = fitting.fit(whole, members)
            for outcome in outcomes:
                if outcome.fitted is not None:
                    outcome.fitted.write(paths[outcome.name])
            report.baselines += outcomes
            self._end()

    def _embeddings(self, record: ArchiveRecord, staging: Staging) -> tuple[Floats | None, Floats | None]:
        """The new embeddings of a record, for the archive and for its embedding.npy; made now if need be."""
        [material] = material_of(self._selection.archive, [record])
        if record.revision == self._recognizer.metadata.revision:
            return self._selection.archive.embedding(record.id), None
        if not staging.has(record.id) and (sound := material.sound) is not None and is_same(sound, record.sha256):
            if (material.head, material.baseline) == (None, None):
                self._infer_some(staging, [material], Report())
            else:  # what it is to be recognised with may not be there yet
                options = material.options(sound, None)
                recognition = self._recognizer.recognize(sound.path, **options, embedding=True)
                if recognition.embedding is None:
                    return None, None
                own = recognition.mean_embedding
                whole = pooled(recognition.embedding if own is None else own)
                return whole, np.asarray(recognition.embedding.mean(axis=0), np.float32)
        if not staging.has(record.id):
            return None, None
        return staging.embeddings(record.id)[0], staging.file_embedding(record.id)

    def _infer(self, staging: Staging, report: Report) -> list[str]:
        """Make all that can be made; gives the ids of those that are."""
        ids, seen = list[str](), set[str]()
        materials = self._selection.materials()
        while page := list(islice(materials, _TOGETHER if self._recognizer.batches else 1)):
            self._begin(page[0].record.name or page[0].record.id[:12])
            self._infer_some(staging, page, report)
            for material in page:
                seen.add(material.record.id)
                self._end()
            ids += [material.record.id for material in page if staging.has(material.record.id)]
        if not self._selection.filtered:
            staging.forget(seen)  # deleted in the meantime
        return ids

    def _infer_some(self, staging: Staging, materials: Sequence[Material], report: Report) -> None:
        heads, baselines = _kept(report.heads), _kept(report.baselines)
        jobs: list[tuple[Material, Draft, Request]] = []
        for material in materials:
            record, sound, made = material.record, material.sound, staging.has(material.record.id)
            reason = waiting(material, heads, baselines)
            if not reason and not made:
                reason = NO_SOUND if sound is None else "" if is_same(sound, record.sha256) else CHANGED
            if reason:
                report.left[reason] += 1
                continue
            report.without.update(self._selection.gone(material))
            if made or sound is None:
                continue
            try:
                chosen = material.options(sound, self._allowed(record))
                options = Options.of(**self._options(material, staging, chosen))
            except EmovoxError as error:
                report.failed.append((record.name or record.id[:12], str(error)))
                continue
            draft = staging.draft(record.id, width=self._recognizer.metadata.embedding_size)
            request = Request(
                sound.path,
                options,
                record.name,
                sink=self._sink,
                embedding_sink=draft.sink(wanted=material.embedding),
            )
            jobs.append((material, draft, request))
        results = self._recognizer.recognize_together([request for _, _, request in jobs]) if jobs else []
        for (material, draft, _), result in zip(jobs, results, strict=True):
            if isinstance(result, DecoderError):
                raise result
            if isinstance(result, EmovoxError):
                report.failed.append((material.record.name or material.record.id[:12], str(result)))
                continue
            recognition, sound = material.restored(result), material.sound
            assert sound is not None  # noqa: S101  it was recognised
            formats = {name for path in material.directories for name in exports.written(recognition, path)}
            try:
                draft.commit(
                    recognition,
                    embedding=material.embedding,
                    sound=sound.path,
                    formats=sorted(formats),
                    language=self._language,
                )
            except ExportError as error:
                report.failed.append((material.record.name or material.record.id[:12], str(error)))

    def _options(self, material: Material, staging: Staging, options: dict[str, Any]) -> dict[str, Any]:
        """The options with head and baseline, as they are now."""
        head = self._selection.current(Head, material.head, staging.path / HEADS)
        baseline: Baseline | str | None = SELF
        if not material.of_itself:
            name = material.baseline_name
            baseline = self._selection.current(Baseline, name, staging.path / BASELINES)
        expect = None if baseline is None else material.expect
        return {**options, "embedding": True, "head": head, "baseline": baseline, "expect": expect}

    def _allowed(self, record: ArchiveRecord) -> list[str] | None:
        return allowed(record, self._selection.known(record.revision), self._recognizer.metadata.classes)

    def _switch(self, staging: Staging, ids: list[str], report: Report) -> int:
        """Put everything in its place: files first, and all of the archive when the transaction ends."""

        def batches() -> Iterator[list[Replacement]]:
            remaining = iter(ids)
            while part := list(islice(remaining, _SWITCHED)):
                yield list(self._replacements(staging, part))
            if hasattr(os, "sync"):  # at once, instead of each file: the database is held
                os.sync()
            self._install(Head, staging.path / HEADS, report.heads)
            with locked():
                self._install(Baseline, staging.path / BASELINES, report.baselines)

        return self._selection.archive.replace(batches())

    def _replacements(self, staging: Staging, ids: list[str]) -> Iterator[Replacement]:
        for material in self._selection.by_ids(ids):
            directories = tuple(path for path in material.directories if (path / RESULT).is_file())
            for directory in directories:
                staging.install(material.record.id, directory)
            yield Replacement(material.record.id, staging.record(material), directories)

    def _install(self, kind: type[Kind], directory: Path, outcomes: Sequence[Outcome[Kind]]) -> None:
        for outcome in outcomes:
            before = self._selection.own(kind, outcome.name)
            if outcome.fitted is not None and before is not None and before.model != outcome.fitted.model:
                path = kind.path_of(outcome.name)
                kind.read(directory / f"{outcome.name}.json").write(path)
                with suppress(FileNotFoundError):  # there is none
                    page = directory / f"{outcome.name}{REPORT}"
                    files.write(path.with_suffix(REPORT), page.read_bytes())


def _kept(outcomes: Sequence[Outcome[Any]]) -> Mapping[str, str]:
    """Those that stay as they are, with why."""
    return {item.name: item.note for item in outcomes if item.fitted is None}
