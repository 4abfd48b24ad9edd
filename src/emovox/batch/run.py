"""The run: lists recordings, has an engine recognise those that are missing, and does all the writing.

When a worker dies nothing is lost, as its tasks are given out again; and no row appears twice, as an answer counts
once. A run that dies leaves complete shards, from which the next one learns what is done.
"""

import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from emovox.archive.record import ArchiveRecord
from emovox.audio.files import is_remote
from emovox.baselines.baseline import SPEAKER
from emovox.batch.config import BatchConfig, changed
from emovox.batch.engine import BatchEngine
from emovox.batch.ledger import Ledger
from emovox.batch.listing import TOGETHER, Listing
from emovox.batch.schema import ERRORS, FIRST_PASS, RECOGNITIONS
from emovox.batch.scratch import scratch
from emovox.batch.second_pass import SecondPass
from emovox.batch.shared import Shared
from emovox.batch.sources import find
from emovox.batch.status import REASONS, SLOWEST, Status
from emovox.batch.storage import Place, only_one
from emovox.batch.tables import Shards
from emovox.batch.tasks import Again, Answer, Done, Failed, Inferred, Item, Outlined, Plan, Same, Share, Task
from emovox.batch.worker import MADE
from emovox.errors import BatchError, ClusterError, EmovoxError
from emovox.exports import Language, check_values
from emovox.inference.recognition import ModelFacts
from emovox.models.catalog import is_name
from emovox.outputs import is_outputs, read_result
from emovox.policy import Policy
from emovox.saving import Saving

if TYPE_CHECKING:
    from emovox.archive.archive import Archive

FACTS = "batch.json"
OUTPUTS = "outputs"
SAME_AS_FAILED = "it has the same content as a recording that failed"
_PATIENCE = 5.0  # seconds between looks for twins
_TOLD = 0.2  # seconds between reports of progress


class Batch:
    """One run."""

    def __init__(
        self, wish: BatchConfig, engine: Callable[[Plan], BatchEngine], tell: Callable[[Status], None]
    ) -> None:
        """Prepare.

        Args:
            wish: what is wanted.
            engine: makes the engine.
            tell: is given the status now and then.

        Raises:
            BatchError: the output can't be used.
        """
        if wish.outputs_dirs and is_remote(wish.out):
            raise BatchError("outputs directories can only be made on this machine: give --out a directory")
        self._wish, self._make, self._tell = wish, engine, tell
        self.status = Status()
        self._out = Place.of(wish.out)
        self._of_many = wish.options.of_many
        self._rows = Shards(
            self._out,
            FIRST_PASS if self._of_many else RECOGNITIONS,
            self._wrote,
            before=self._archive_records,
            baseline=wish.options.baseline is not None and not self._of_many,
        )
        # An error of what has a row is about its exports: the row comes first.
        self._errors = Shards(self._out, ERRORS, lambda rows, name: None, before=self._rows.flush)
        self._incomplete: set[str] = set()
        self._archive: Archive | None = None
        self._records: list[ArchiveRecord] = []  # of rows that are in no shard yet
        self._shares: deque[Share] = deque()
        self._shared: dict[str, Shared] = {}
        self._told = self._looked = 0.0

    def run(self) -> Status:
        """Recognise all that is missing.

        Raises:
            BatchError: the input or the output can't be used, or the output was made with other options.
            ExportError: a format needs values that the model doesn't give.
            EmovoxError: as `Recognizer` and `Archive`.
        """
        wish, out = self._wish, self._out
        by_speaker = wish.options.baseline == SPEAKER
        entries = find(wish.source, wish.column, speakers=by_speaker, policy=wish.policy)
        first = [*islice(entries, 1)]
        while first and isinstance(first[-1], Failed) and (more := next(entries, None)) is not None:
            first.append(more)
        if not first:
            raise BatchError(f"{wish.source}: no audio or video files in it")
        listed = isinstance(first[-1], Item) and first[-1].sides is not None
        self._rows.sides = (
            listed or bool(wish.options.side or wish.options.baseline_side) or wish.policy.profile != "open"
        )
        noted = isinstance(first[-1], Item) and first[-1].notes is not None
        self._rows.notes = noted or wish.options.purpose is not None or wish.options.consent is not None
        with ExitStack() as stack:
            if out.local:
                stack.enter_context(only_one(Path(out.path)))
            directory = stack.enter_context(scratch())
            self._ledger = Ledger(directory / "ledger.sqlite")
            stack.callback(self._ledger.close)
            outputs = str(Path(out.path, OUTPUTS)) if wish.outputs_dirs else None
            if outputs is not None and wish.archive:
                self._archive = stack.enter_context(_archive_of(Path(outputs)))
            plan = Plan(
                model=_located(wish.model),
                precision=wish.precision,
                device=wish.device,
                options=wish.options,
                split_channels=wish.split_channels,
                formats=() if self._of_many else wish.formats,  # they are written when all is known
                labels=wish.labels,
                outputs=outputs,
                ledger=str(directory / "ledger.sqlite"),
                scratch=str(directory),
                longest=wish.longest,
                directory=os.getcwd(),  # noqa: PTH109  paths are strings here
                archive=self._archive is not None,
                mapping=wish.mapping,
                policy=wish.policy,
                sound=wish.sound,
            )
            engine = self._make(plan)
            stack.callback(engine.close)
            self._ready = engine.start()
            check_values(wish.formats, self._ready.metadata.readouts, wish.options.head)
            self._check(self._ready.model)
            self._load()
            engine.know(self._ledger.contents(10 * TOGETHER))
            if outputs is not None:
                self._sweep(Path(outputs))
            self.status.model, self.status.workers = self._ready.model, engine.workers
            self.status.started = time.monotonic()
            self._listing = stack.enter_context(Listing(chain(first, entries), self._ledger, self.status))
            try:
                self._work(engine)
            except (KeyboardInterrupt, ClusterError):  # keep what is done
                self._flush()
                raise
            self._listing.check()
            if self._of_many:
                SecondPass(
                    wish,
                    self._out,
                    self._ready,
                    self._ledger,
                    self._archive,
                    self.status,
                    self._tell,
                    self._note_incomplete,
                    sides=self._rows.sides,
                    notes=self._rows.notes,
                ).run()
                if wish.policy.abstain:  # what was withheld in the tables would lie there
                    self._rows.clear()
        return self.status

    def _work(self, engine: BatchEngine) -> None:
        for answer in engine.run(self._take, self._more):
            if answer is not None:
                self._note(answer)
            self._note_unusable()
            self._rows.tick()
            self._errors.tick()
            now = time.monotonic()
            if now - self._looked > _PATIENCE:
                self._looked = now
                self._copy()
            if now - self._told > _TOLD:
                self._told, self.status.trouble = now, engine.trouble
                self._tell(self.status)
        self.status.trouble = ""
        self._note_unusable()
        self._flush()
        self._copy(last=True)
        self._rows.conclude()
        self._errors.conclude()
        self._tell(self.status)

    def _take(self) -> Task | None:
        return self._shares.popleft() if self._shares else self._listing.take()

    def _more(self) -> bool:
        return bool(self._shares) or self._listing.more()

    def _note(self, answer: Answer) -> None:
        if isinstance(answer, Same):
            self._ledger.add_twin(answer.path, answer.sha256)
        elif isinstance(answer, Outlined):
            shared = self._shared[answer.item.path] = Shared(answer, self._wish.policy)
            self._shares.extend(shared.shares())
            if shared.complete:
                self._join(shared)
        elif isinstance(answer, Inferred):
            whole = self._shared.get(answer.share.path)
            if whole is not None and whole.add(answer):
                self._join(whole)
        else:
            if (ended := self._shared.pop(answer.path, None)) is not None:
                ended.clear()
                self._shares = deque(share for share in self._shares if share.path != answer.path)
            if isinstance(answer, Again):
                if ended is not None:
                    self._listing.put_back(ended.outlined.item)
            elif self._ledger.settle(answer.path):
                self._store(answer)

    def _note_unusable(self) -> None:
        for failed in self._listing.unusable():
            self._note(failed)

    def _join(self, shared: Shared) -> None:
        try:
            self._note(shared.done(self._ready))
        except EmovoxError as error:
            self._note(Failed(shared.outlined.item.path, str(error)))

    def _store(self, answer: Done | Failed) -> None:
        status = self.status
        if isinstance(answer, Failed):
            status.failed += 1
            if len(status.reasons) < REASONS:
                status.reasons.append((answer.path, answer.reason))
            if answer.sha256 is not None:
                self._ledger.failed(answer.sha256, answer.path, answer.reason)
            self._errors.add([{"path": answer.path, "reason": answer.reason}])
            return
        status.done += 1
        status.seconds += answer.seconds
        if not self._of_many:
            status.count(answer.rows)
        status.slowest = sorted([*status.slowest, (answer.spent, answer.path)], reverse=True)[:SLOWEST]
        self._records += answer.records
        self._rows.add(answer.rows)
        if answer.problem:
            self._add_incomplete(answer.path, answer.problem)

    def _add_incomplete(self, path: str, problem: str) -> None:
        if path not in self._incomplete:
            self._incomplete.add(path)
            self.status.incomplete += 1
            self._errors.add([{"path": path, "reason": problem}])

    def _note_incomplete(self, problems: list[tuple[str, str]]) -> None:
        for path, problem in problems:
            self._add_incomplete(path, problem)
        self._errors.flush()

    def _archive_records(self) -> None:
        """Archive what the next shard names, before it does: what no shard names goes at the next start."""
        if self._archive is not None:
            self._archive.add_records(self._records)
            self._records.clear()

    def _wrote(self, rows: list[dict[str, Any]], name: str) -> None:
        self._ledger.stored(((row["sha256"], row["path"]) for row in rows), name)

    def _copy(self, *, last: bool = False) -> None:
        """Give recordings whose content is done the rows of that content."""
        for shard, reason, twins in self._ledger.twins(TOGETHER, all_of_them=last):
            rows_by_content: dict[str, list[dict[str, Any]]] = {}
            if shard is not None:
                for row in self._rows.read(shard, sha256=list({sha256 for _, sha256 in twins})):
                    rows = rows_by_content.setdefault(row["sha256"], [])
                    if not rows or rows[0]["path"] == row["path"]:
                        rows.append(row)
            for path, sha256 in twins:
                if not self._ledger.settle(path):
                    continue
                if shard is None:
                    self._store(Failed(path, reason or SAME_AS_FAILED))
                else:
                    same = {"same": True} if self._of_many else {}
                    rows = [{**row, "path": path, **same} for row in rows_by_content[sha256]]
                    self.status.same += 1
                    self._store(Done(path, tuple(rows), rows[0]["duration"], 0.0))

    def _flush(self) -> None:
        self._rows.flush()
        self._errors.flush()

    def _check(self, model: ModelFacts) -> None:
        """Refuse an output that was made with another model or other options."""
        file = self._out / FACTS
        model_facts = model.model_dump(mode="json", exclude={"emotions"})  # which follow from the map
        facts = json.loads(json.dumps({"model": model_facts, **self._wish.facts()}))
        if file.kind() != "file":
            file.write(json.dumps(facts, ensure_ascii=False, indent=2).encode())
            return
        try:
            before = {"archive": False, "map": {}, "sound": True, **json.loads(file.read())}
            before["policy"] = Policy.known_facts(before.get("policy", {}))
            # An option that didn't exist when the batch was begun had its default.
            before["options"] = {**BatchConfig("", "").facts()["options"], **before["options"]}
        except (ValueError, TypeError, KeyError) as error:
            raise BatchError(f"{file.address}: not written by a batch: choose another --out") from error
        if before != facts:
            differences = ", ".join(changed(before, facts))
            raise BatchError(
                f"{self._out.address}: it was made with other settings (it differs in {differences}): "
                f"choose another --out, or use the settings in {file.address}"
            )

    def _load(self) -> None:
        """Read what earlier runs did."""
        status = self.status
        self._rows.sweep()
        self._errors.sweep()
        counted = [] if self._of_many else ["emotion", "readouts"]
        for name in list(self._rows.names()):
            rows = self._rows.read(name, columns=["path", "sha256", "outputs", *counted])
            while some := list(islice(rows, TOGETHER)):
                self._ledger.add_done([(row["path"], row["sha256"]) for row in some], name)
                self._ledger.keep(row["outputs"] for row in some if row["outputs"])
                if counted:
                    status.count(some)
        status.before = self._ledger.done()
        for name in list(self._errors.names()):
            paths = [row["path"] for row in self._errors.read(name)]
            incomplete = {path for path in paths if self._ledger.is_done(path)} - self._incomplete
            if self._wish.retry_failed:
                self._note_incomplete(list(self._export_again(incomplete)))
                (self._errors.place / name).delete()
            else:
                self._incomplete |= incomplete
                status.incomplete += len(incomplete)
                failed = [path for path in paths if path not in self._incomplete]
                self._ledger.add_done([(path, None) for path in failed], name)
                status.failed_before += len(failed)

    def _export_again(self, paths: set[str]) -> Iterator[tuple[str, str]]:
        """Write the exports of recordings that lack some; gives the path of what lacks them still, and why."""
        saving = Saving(formats=self._wish.formats, language=cast("Language", self._wish.labels))
        for name in list(self._rows.names()) if paths else []:
            for row in self._rows.read(name, columns=["path", "outputs"], path=list(paths)):
                directory = Path(self._out.path, OUTPUTS, row["outputs"])
                try:
                    problem: EmovoxError | None = saving.export(read_result(directory), directory)
                except EmovoxError as error:
                    problem = error
                if problem is not None:
                    yield row["path"], str(problem)

    def _sweep(self, outputs: Path) -> None:
        """Remove the batch's outputs directories that no row refers to: their recordings are recognised again."""
        if not outputs.is_dir():
            return
        made = (path for path in outputs.iterdir() if is_outputs(path) and (path / MADE).exists())
        unnamed = [path for path in made if not self._ledger.is_kept(path.name)]
        if self._archive is not None:
            self._archive.forget_outputs(unnamed)
        for path in unnamed:
            shutil.rmtree(path)


def _archive_of(outputs: Path) -> "Archive":
    from emovox.archive import Archive  # noqa: PLC0415  its packages are an extra
    from emovox.archive.database import archive_file  # noqa: PLC0415

    return Archive(archive_file(outputs))


def _located(model: str) -> str:
    """A model's name, or its absolute path."""
    return model if is_name(model) or not os.path.lexists(model) else os.path.abspath(model)  # noqa: PTH100
