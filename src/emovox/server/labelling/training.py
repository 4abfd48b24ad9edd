"""Training on what people labelled in Label Studio: a head for each control of a project."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from emovox import use_log
from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import AudioError, EmovoxError, LabelsError, PolicyError
from emovox.heads.dataset import WHAT
from emovox.heads.training import Material, train_on
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import Request
from emovox.labels.label_list import GROUPS, Failure, Labelled, Span, find_group, stretch_name
from emovox.models.head import head_path
from emovox.notes import listed_notes
from emovox.policy import Policy, listed_sides, side_of
from emovox.server.background import Report
from emovox.server.http.problems import Problem, log
from emovox.server.http.uploads import Upload
from emovox.server.jobs.progress import JobProgress
from emovox.server.labelling.config import Control
from emovox.server.labelling.predictions import head_name
from emovox.server.options import RecognitionOptions
from emovox.server.service import Service

Result = TypeVar("Result")
TRIES = 100  # of a recording, while the service is busy
BROKEN = 3  # tries, where the connection to Label Studio breaks off
PAUSE = 5.0  # seconds between them
LATEST = 1e6  # seconds into a recording that a region may end
LEAST = 2  # annotations of each label; five are better
RECORDING = "recording"


class Annotated(NamedTuple):
    """A label that somebody gave.

    Attributes:
        span: of the stretch, in seconds; None: of the whole recording.
        label: as annotations have it.
    """

    span: Span | None
    label: str


@dataclass
class _Examples:
    """What a control's head is trained on, as it comes together."""

    rows: list[Labelled] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    sha256s: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Lesson:
    """The labels of a project from which its heads are trained.

    Attributes:
        controls: those with enough labels.
    """

    def __init__(self, project: int, controls: Sequence[Control], tasks: Sequence[Mapping[str, Any]]) -> None:
        """Read annotated tasks, as Label Studio exports them.

        Raises:
            LabelsError: no control has enough labels.
        """
        self._project = project
        self._tasks = [task for task in tasks if isinstance(task.get("data"), dict)]
        self._usable: dict[str, frozenset[str]] = {}
        tallies = []
        for control in controls:
            counts = Counter(item.label for task in self._tasks for item in annotated(task, control))
            labels = frozenset(label for label, count in counts.items() if count >= LEAST)
            if len(labels) >= 2:
                self._usable[control.name] = labels
            words = ", ".join(f"{label} ({count})" for label, count in sorted(counts.items())) or "none"
            tallies.append(f"{control.name}: {words}")
        self.controls = [control for control in controls if control.name in self._usable]
        if not self.controls:
            raise LabelsError(
                f"a head needs two labels or more, each given {LEAST} times, better five; there are "
                f"{'; '.join(tallies)}"
            )

    def train(self, service: Service, loop: asyncio.AbstractEventLoop, report: Report) -> dict[str, Any]:
        """Fetch the recordings, infer what was labelled, train the heads and write them; in a thread.

        Args:
            service: whose model it is.
            loop: of the service.
            report: is told how far it is.

        Returns:
            The names of the heads.

        Raises:
            EmovoxError: a head can't be trained, or not written.
            Problem: Label Studio or the service can't go on.
        """
        choice = ModelChoice(service.settings.model)
        examples = {control.name: _Examples() for control in self.controls}
        for number, task in enumerate(self._tasks):
            report({"step": "recordings", "done": number, "total": len(self._tasks)})
            for key in dict.fromkeys(control.key for control in self.controls):
                asyncio.run_coroutine_threadsafe(self._add(service, choice, task, key, examples), loop).result()
        names = []
        for control in self.controls:
            part = examples[control.name]
            if not part.rows:
                name, reason = part.failures[0]
                raise LabelsError(f"{control.name}: none of the recordings can be used; {name}: {reason}")
            group = find_group(part.rows, None, Path(control.name)) or _several(part.rows)
            material = Material(part.rows, np.stack(part.vectors), part.sha256s, group, part.failures)
            name = head_name(self._project, control)
            with service.models.borrow(choice) as recognizer:
                trained = train_on(material, name, recognizer)
                use_log.log("trained", recordings=sorted(set(part.sha256s)), model=recognizer.model.name)
            trained.head.write(head_path(name))
            log.info("the head %s is trained on %d labels of Label Studio", name, len(part.rows))
            if part.failures:
                log.warning("%d labels could not be used; %s: %s", len(part.failures), *part.failures[0])
            names.append(name)
        return {"heads": names}

    async def _add(
        self,
        service: Service,
        choice: ModelChoice,
        task: Mapping[str, Any],
        key: str,
        examples: Mapping[str, _Examples],
    ) -> None:
        """Add what was labelled of a task's recording to the examples."""
        annotations = [
            (control, item)
            for control in self.controls
            if control.key == key
            for item in annotated(task, control)
            if item.label in self._usable[control.name]
        ]
        if not annotations:
            return
        title = f"task {task.get('id')}"
        try:
            spans = [item.span for _, item in annotations]
            sha256, vectors = await _patiently(lambda: _embed(service, choice, task["data"], key, spans))
        except (AudioError, PolicyError) as error:
            for control, _ in annotations:
                examples[control.name].failures.append((title, _reason(error)))
            return
        groups = {name: str(task["data"][name]) for name in GROUPS if task["data"].get(name)}
        for (control, item), vector in zip(annotations, vectors, strict=True):
            part, name = examples[control.name], stretch_name(title, item.span)
            if isinstance(vector, EmovoxError):
                part.failures.append((name, _reason(vector)))
                continue
            part.rows.append(Labelled(Path(), item.label, name, {**groups, RECORDING: sha256}, span=item.span))
            part.vectors.append(vector)
            part.sha256s.append(sha256)


def annotated(task: Mapping[str, Any], control: Control) -> Iterator[Annotated]:
    """What people said of a task with a control: of one annotation, that of the ground truth, or else the latest.

    Results with several labels at once are left out.
    """
    annotations = [
        item
        for item in task.get("annotations") or []
        if isinstance(item, dict) and not item.get("was_cancelled") and isinstance(item.get("result"), list)
    ]
    if not annotations:
        return
    latest = max(annotations, key=lambda item: (bool(item.get("ground_truth")), str(item.get("updated_at"))))
    kind, names = control.kind.lower(), {label.value for label in control.labels}
    for result in latest["result"]:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict) or (result.get("from_name"), result.get("type")) != (control.name, kind):
            continue
        labels = value.get(kind)
        if (
            not isinstance(labels, list)
            or len(labels) != 1
            or not isinstance(labels[0], str)
            or labels[0] not in names
        ):
            continue
        if control.kind == "Choices":
            yield Annotated(None, labels[0])
            continue
        start, end = value.get("start"), value.get("end")
        if isinstance(start, int | float) and isinstance(end, int | float) and 0 <= start < end <= LATEST:
            yield Annotated((float(start), float(end)), labels[0])


def options_of(data: Mapping[str, Any], policy: Policy, **more: Any) -> RecognitionOptions:
    """The options of a task's recording, of which nothing is stored, with what its data declares of it.

    Raises:
        PolicyError: that isn't understood, or something must be declared that isn't.
        pydantic.ValidationError: another option is wrong.
    """
    cells = {key: value for key, value in data.items() if isinstance(value, str)}
    sides, notes = listed_sides(cells, policy), listed_notes(cells)
    side = side_of(sides, None, len(sides or ()))
    policy.demand(side, **notes)
    return RecognitionOptions.parse({"store": False, "side": side, **notes, **more})


async def _embed(
    service: Service, choice: ModelChoice, data: Mapping[str, Any], key: str, spans: Sequence[Span | None]
) -> tuple[str, list[NDArray[np.float32] | EmovoxError]]:
    """A recording's sha256, and of each stretch of it the embedding (D,), or why there is none.

    Raises:
        AudioError: the recording can't be used.
        PolicyError: nothing of it may be inferred, or something isn't declared.
        Problem: Label Studio or the service can't go on.
    """
    options = replace(options_of(data, service.policy).to_options(), embedding=True)
    service.policy.check(options.declared_side(1), WHAT)
    embeddings: list[NDArray[np.float32] | EmovoxError] = []
    async with fetched(service, data, key) as file:
        progress = JobProgress(size=file.size)
        longest = service.settings.max_duration
        with service.admission.admit(progress):
            async with service.decode(
                file.token, file.name, options, max_seconds=longest, progress=progress
            ) as decoded:
                for span in spans:
                    stretch = None if span is None else await asyncio.to_thread(decoded.stretch, *span)
                    recording = decoded if stretch is None else (stretch, float(SAMPLE_RATE))
                    try:
                        recognition = await service.scheduler.recognize(choice, Request(recording, options))
                    except AudioError as error:
                        embeddings.append(error)
                    else:
                        assert recognition.embedding is not None  # noqa: S101  asked for, and allowed
                        embeddings.append(recognition.embedding[0])
                return decoded.sha256, embeddings


async def _patiently(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What work gives, once the service isn't busy any more: others come first.

    Raises:
        Problem: it is for too long, or Label Studio doesn't answer again and again.
    """
    for number in range(1, TRIES):
        try:
            return await work()
        except Problem as problem:
            if problem.status != 503 and (problem.status not in {502, 504} or number >= BROKEN):
                raise
            await asyncio.sleep(float(problem.headers.get("Retry-After", PAUSE)))
    return await work()


@asynccontextmanager
async def fetched(service: Service, data: Mapping[str, Any], key: str) -> AsyncIterator[Upload]:
    """A task's recording, fetched for the length of the block.

    Raises:
        AudioError: the task has none, or it can't be had.
        Problem: Label Studio can't be reached, or refuses.
    """
    assert service.label_studio is not None  # noqa: S101  without it there are no tasks
    address = data.get(key)
    if not isinstance(address, str):
        raise AudioError(f"the task's data has no {key}")
    file = await service.label_studio.fetch(address, service.uploads, service.settings.max_file_size)
    try:
        yield file
    finally:
        service.uploads.remove(file.token)


def _several(rows: Sequence[Labelled]) -> str | None:
    """The column of recordings, if there are two or more."""
    return RECORDING if len({row.groups[RECORDING] for row in rows}) > 1 else None


def _reason(error: EmovoxError) -> str:
    return error.reason if isinstance(error, AudioError) else str(error)
