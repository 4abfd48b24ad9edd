"""Fitting baselines for clients: from the embeddings that stored outputs have, or from what they upload."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from emovox.archive.vectors import stored_embeddings
from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit
from emovox.baselines.removal import Removal, locked, take_out
from emovox.baselines.shift import movable
from emovox.errors import AudioError, BaselineError, LabelsError, PolicyError, TooLargeError
from emovox.heads.dataset import stored_embedding, stored_recording
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import LiveArguments
from emovox.inference.recognition import NO_SPEECH
from emovox.inference.recognizer import Recognizer
from emovox.outputs import EMBEDDING
from emovox.policy import Side
from emovox.server.http.problems import Problem, from_refusal, invalid, log
from emovox.server.http.uploads import Upload
from emovox.server.jobs.progress import JobProgress
from emovox.server.options import client_model
from emovox.server.service import Service

SOUNDLESS = frozenset({NO_SPEECH, "silence"})
_NO_SPEECH = "no speech was found in it"
_WITHHELD = "of a {}'s voice the policy allows talk time alone"


class LeftOut(BaseModel):
    """A recording that isn't in a baseline, though it was to be."""

    recording: str = Field(description="id of its outputs, or its name")
    reason: str


@dataclass
class Material:
    """What a baseline is to be made of.

    Attributes:
        embeddings: float32 (D,), by each recording's checksum, or name if that isn't known, and its channel.
        left_out: what can't be used.
        sides: whose voices they are, likewise.
    """

    embeddings: dict[tuple[str, int | None], NDArray[np.float32]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    sides: dict[tuple[str, int | None], Side | None] = field(default_factory=dict)

    def add(
        self, sha256: str, embedding: NDArray[np.float32], channel: int | None = None, side: Side | None = None
    ) -> None:
        """Add the embedding of a recording, or of a channel of it, and whose voice it is."""
        self.embeddings[sha256, channel] = embedding
        self.sides[sha256, channel] = side

    def leave_out(self, recording: str | None, reason: str) -> None:
        """Note what can't be used, and why."""
        self.left_out.append(LeftOut(recording=recording or "without a name", reason=reason))


def fit_outputs(
    service: Service,
    name: str,
    ids: Sequence[str],
    *,
    model: str | None,
    replace: bool,
    side: Side | None = None,
) -> tuple[Baseline, list[LeftOut]]:
    """Make a baseline of stored outputs, by the embeddings that the archive keeps of them, and store it.

    Args:
        service: that has the outputs.
        name: of the baseline.
        ids: of the outputs.
        model: whose embeddings are taken; by default that of most of them.
        replace: whether it may take the place of another.
        side: whose voices those are that don't say it.

    Returns:
        The baseline, and what isn't in it.

    Raises:
        Problem: the name is taken or can't be one, or none of the outputs can be used.
        ModelError: the model can't be loaded.
        BaselineError: nothing of the model can be moved.
        PolicyError: the policy allows no baseline of such voices.
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    check_free(name, replace=replace)
    service.policy.check(side, "a baseline")
    material, root = Material(), service.settings.outputs
    by_output = service.archiving.archive.directories.embeddings(root, ids)
    if model is None:
        model = _most_common(item.model for item in by_output.values()) or service.settings.model
    with service.models.borrow(ModelChoice(model)) as recognizer:
        facts = recognizer.model
        for id_ in dict.fromkeys(ids):
            try:
                directory = service.stored_outputs.directory(id_)
                if (item := by_output.get(id_)) is None:
                    embedding, sha256, channel = stored_embedding(directory / EMBEDDING, recognizer)
                    own = stored_recording(directory).side
                    material.add(sha256 or id_, embedding, channel, own or side)
                elif (item.model, item.revision) != (facts.name, facts.embeddings_of):
                    reason = (
                        f"it was recognised by {item.model} {item.revision}, not {facts.name} {facts.revision}"
                    )
                    material.leave_out(id_, reason)
                elif item.side in recognizer.policy.withheld:
                    material.leave_out(id_, _WITHHELD.format(item.side))
                elif SOUNDLESS & set(item.warnings):
                    material.leave_out(id_, _NO_SPEECH)
                else:
                    material.add(item.sha256, item.embedding, item.channel, item.side or side)
            except Problem as problem:
                material.leave_out(id_, problem.detail)
            except PolicyError as error:
                material.leave_out(id_, str(error))
            except LabelsError:
                material.leave_out(id_, f"no embedding of it by {facts.name} was kept: recognise it again")
        source = f"{len(material.embeddings)} stored recordings"
        return _store(name, material, recognizer, source=source, replace=replace), material.left_out


async def embed_uploads(
    service: Service, files: Sequence[Upload], choice: ModelChoice, declared: LiveArguments
) -> Material:
    """The embeddings of the speech in uploads, one after the other, as one place in the queue.

    Args:
        service: that received them.
        files: the uploads.
        choice: the model.
        declared: of all of them, as options of a recognition.

    Raises:
        Problem: the service can't recognise anything right now.
        ModelError: the model can't be loaded or run.
    """
    material = Material()
    longest = min(service.settings.service.sync_seconds, service.settings.max_duration)
    with service.admission.admit(JobProgress(size=sum(file.size for file in files))):
        for file in files:
            try:
                recognition = await service.embed(
                    file.token,
                    file.name,
                    choice,
                    declared,
                    max_seconds=longest,
                    progress=JobProgress(size=file.size),
                )
            except TooLargeError:
                reason = f"longer than {longest:g} s: recognise it as a job, and give its outputs"
                material.leave_out(file.name, reason)
            except AudioError as error:
                material.leave_out(file.name, error.reason)
            else:
                if not recognition.is_inferred:
                    material.leave_out(file.name, _WITHHELD.format(recognition.recording.side))
                elif SOUNDLESS & set(recognition.warnings) or recognition.embedding is None:
                    material.leave_out(file.name, _NO_SPEECH)
                else:
                    facts = recognition.recording
                    material.add(facts.sha256, recognition.embedding[0], side=facts.side)
    return material


def fit_uploads(
    service: Service, name: str, material: Material, choice: ModelChoice, *, replace: bool
) -> Baseline:
    """Make a baseline of what was uploaded, and store it. Raises as `fit_outputs`."""
    with service.models.borrow(choice) as recognizer:
        source = f"{len(material.embeddings)} uploads"
        return _store(name, material, recognizer, source=source, replace=replace)


def check_free(name: str, *, replace: bool) -> None:
    """Refuse a name before anything is done for it.

    Raises:
        Problem: 422, no baseline can have it; 409, one has it already.
    """
    try:
        path = baseline_path(name)
    except BaselineError as error:
        raise invalid([{"field": "name", "reason": str(error)}]) from None
    if path.exists() and not replace:
        raise Problem(409, "baseline-exists", f"there is a baseline {name} already: replace=true fits it again")


def _store(name: str, material: Material, recognizer: Recognizer, *, source: str, replace: bool) -> Baseline:
    movable(recognizer.metadata)
    if not material.embeddings:
        detail = "none of the recordings can be used"
        errors = [{"field": item.recording, "reason": item.reason} for item in material.left_out]
        raise Problem(422, "baseline", detail, title="Baseline can't be fitted", errors=errors)
    [baseline] = fit(
        name,
        list(material.embeddings.values()),
        recognizer.metadata,
        sha256s=[key if len(key) == 64 else None for key, _ in material.embeddings],
        channels=[channel for _, channel in material.embeddings],
        sides=[material.sides[key] for key in material.embeddings],
        source=source,
    )
    with locked():
        check_free(name, replace=replace)
        with _explained():
            baseline.write(baseline_path(name))
    return baseline


def remove(name: str) -> None:
    """Delete a baseline; its groups stay, as each has the whole's sums.

    Raises:
        Problem: 404, there is none.
    """
    with suppress(FileNotFoundError, BaselineError), locked():
        baseline_path(name).unlink()
        return
    raise Problem(404, "no-such-baseline", "there is no baseline with this name")


def take_out_recordings(service: Service, sha256s: Collection[str]) -> list[Removal]:
    """Fit all baselines that have these recordings again, without them; before they are deleted.

    Returns:
        What became of each.

    Raises:
        Problem: 500 or 507, one can't be written.
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    archive = service.archiving.archive
    with _explained():
        return take_out(sha256s, lambda sha256: stored_embeddings(archive, sha256))


def _most_common(names: Iterable[str]) -> str | None:
    """The name that most have, if it is one that clients may say."""
    common = Counter(names).most_common(1)
    return client_model(common[0][0]) if common else None


@contextmanager
def _explained() -> Iterator[None]:
    """A baseline's file can't be written: the message, which names it, is for the log."""
    try:
        yield
    except BaselineError as error:
        log.error("%s", error)
        if isinstance(error.__cause__, OSError):
            raise from_refusal(error.__cause__) from error
        raise
