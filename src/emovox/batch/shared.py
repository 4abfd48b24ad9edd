"""A long recording, split among the workers and joined again."""

from collections.abc import Iterator
from pathlib import Path

from emovox.baselines.baseline import Baseline
from emovox.batch.first_pass import state_row
from emovox.batch.tables import to_row
from emovox.batch.tasks import Done, Inferred, Outlined, Ready, Share
from emovox.inference.splitting import join
from emovox.inference.state import RunState
from emovox.models.runtime.engine import Output
from emovox.policy import Policy


class Shared:
    """A long recording that is split among the workers."""

    def __init__(self, outlined: Outlined, policy: Policy) -> None:
        """Begin with what a worker read of it, under this policy."""
        self.outlined, self._policy = outlined, policy
        self.outputs: list[list[tuple[Output, ...] | None]] = [[None] * len(some) for _, some in outlined.parts]
        self.spent = outlined.spent

    @property
    def complete(self) -> bool:
        """Whether no outputs are missing: of what the policy withholds there are no pieces."""
        return all(outputs is not None for part in self.outputs for outputs in part)

    def shares(self) -> Iterator[Share]:
        """Its pieces, for the workers."""
        for part, (_, some) in enumerate(self.outlined.parts):
            for number, piece in enumerate(some):
                yield Share(self.outlined.item.path, part, number, piece)

    def add(self, inferred: Inferred) -> bool:
        """Add the outputs of a share; returns whether they are complete."""
        self.outputs[inferred.share.part][inferred.share.number] = inferred.outputs
        self.spent += inferred.spent
        return self.complete

    def done(self, ready: Ready) -> Done:
        """Join the outputs, once they are complete.

        Raises:
            EmovoxError: as `Recognizer.recognize`.
        """
        rows = []
        path, states = self.outlined.item.path, list[RunState]()
        for (outline, _), part in zip(self.outlined.parts, self.outputs, strict=True):
            outputs = [output for some in part for output in some or ()]
            of_many, shifting = outline.options.of_many, ready.shifting
            baseline = outline.options.baseline
            recognition = join(
                outline,
                outputs,
                ready.metadata,
                ready.functions,
                ready.classes,
                ready.model,
                shift=shifting(baseline) if shifting and isinstance(baseline, Baseline) else shifting,
                state_sink=states.append if of_many else None,
                policy=self._policy,
            )
            rows.append(state_row(path, states[-1]) if of_many else to_row(path, recognition))
        return Done(path, tuple(rows), rows[0]["duration"], self.spent)

    def clear(self) -> None:
        """Remove its waveforms."""
        for file in self.outlined.files:
            Path(file).unlink(missing_ok=True)
