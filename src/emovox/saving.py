"""Saving: a recognition into its outputs directory, with exports, and into the archive.

The command, the microphone, the service, its live streams and batches all save through this module.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emovox import exports, private, use_log
from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.errors import ExportError
from emovox.exports import Language
from emovox.inference.options import EmbeddingSink, Options, Sink
from emovox.inference.recognition import Recognition
from emovox.outputs import RESULT, Draft, Outputs, write_again

if TYPE_CHECKING:
    from emovox.archive.archive import Archive


@dataclass(frozen=True)
class Saving:
    """Where recognitions go; by default nowhere.

    The archive has embeddings whether or not somebody asked for them, and the outputs directory only if: they cost
    nothing to compute, and half a kilobyte to two to keep.

    Attributes:
        outputs: makes an outputs directory for each; None: there is none.
        formats: exports in it.
        language: of the exports.
        marks: names of empty files in it, by which whoever made it knows it again.
        embeddings: whether embeddings are asked for in files.
        sound: whether the outputs directory keeps processed_audio.wav.
        archive: takes each; `later`: the caller archives what `Save.record` gives; None: nothing is archived.
    """

    outputs: Outputs | None = None
    formats: tuple[str, ...] = ()
    language: Language = "en"
    marks: tuple[str, ...] = ()
    embeddings: bool = False
    sound: bool = True
    archive: "Archive | Literal['later'] | None" = None

    @contextmanager
    def begin(self, *, link: str | None = None) -> Iterator["Save"]:
        """Begin with one recording; what was not committed at the end of the block is discarded.

        Args:
            link: where the recording is, for the archive.

        Raises:
            OutputsError: by what is done in the block.
        """
        if self.outputs is None:
            yield Save(self, None, link)
            return
        with self.outputs.draft(sound=self.sound) as draft:
            yield Save(self, draft, link)

    def replace(
        self, recognition: Recognition, directory: Path | None, *, link: str | None
    ) -> tuple[Recognition, ArchiveRecord | None, ExportError | None]:
        """Write a recognition over an earlier one of the same recording, file by file; its sound stays.

        Args:
            recognition: made with `Save.options`.
            directory: its outputs directory; None: it has none.
            link: as of `begin`.

        Returns:
            What is stored in files, what is to be archived, and as of `export`.

        Raises:
            OutputsError: the disk is full, for example.
            ArchiveError: the embedding is none.
        """
        stored = recognition if self.embeddings else _without_embeddings(recognition)
        problem = None
        if directory is not None:
            write_again(directory, stored)
            problem = self.export(stored, directory)
        record = None
        if self.archive is not None:
            record = from_recognition(recognition, link=link, outputs=directory)
        return stored, record, problem

    def export(self, recognition: Recognition, directory: Path) -> ExportError | None:
        """Write what of its formats can show this result.

        Each is written by itself: one that fails costs neither the others nor the recognition.

        Returns:
            What is missing, and why; None: nothing.

        Raises:
            OutputsError: the disk is full, for example.
        """
        problems: list[str] = []
        for name in self.formats:
            try:
                if exports.suitable(recognition, [name]):
                    exports.write(recognition, directory, [name], language=self.language)
            except ExportError as error:
                problems.append(f"{name}: {error}")
        return ExportError(f"recognised, but not exported as {'; '.join(problems)}") if problems else None


class Save:
    """One recognition on its way to where its `Saving` says.

    Attributes:
        directory: its outputs directory, once it is published; None: there is none.
        problem: what of the exports is missing there, and why; None: nothing.
    """

    def __init__(self, saving: Saving, draft: Draft | None, link: str | None) -> None:
        self._saving, self._draft, self._link = saving, draft, link
        self._recognition: Recognition | None = None
        self.directory: Path | None = None
        self.problem: ExportError | None = None

    def options(self, options: Options) -> Options:
        """The options to recognise with, where these are asked for: the archive wants embeddings."""
        return options if self._saving.archive is None else replace(options, embedding=True)

    @property
    def sink(self) -> Sink | None:
        """The `sink` to recognise with; None: sound isn't kept."""
        return self.live_sink if self._saving.sound else None

    @property
    def live_sink(self) -> Sink | None:
        """The `sink` of a live stream: until it is recognised as a whole, the sound must be somewhere."""
        return None if self._draft is None else self._draft.write

    @property
    def embedding_sink(self) -> EmbeddingSink | None:
        """The `embedding_sink` to recognise with, by which embeddings of frames are never all in memory."""
        if self._draft is not None and self._saving.embeddings:
            return self._draft.write_embedding
        return None if self._saving.archive is None else _drop

    def finish_audio(self) -> Path:
        """Complete the sound that the sink was given, and give its path: a live stream is recognised from it.

        Raises:
            OutputsError: the disk is full, or the place can't be written to.
        """
        assert self._draft is not None  # noqa: S101  without outputs there is no sink
        return self._draft.finish_audio()

    def commit(
        self, recognition: Recognition, *, claim: Callable[[str, Path], None] = lambda _, __: None
    ) -> Recognition:
        """Write the outputs directory with all that is to be in it, publish it, and archive the recognition.

        An export that can't be made is left out, and told by `problem`.

        Args:
            recognition: made with `options` and the sinks.
            claim: is told every name of the outputs directory before it is tried, and where its result.json is
                until then: see `Draft.publish`.

        Returns:
            What is stored in files: without embeddings that nobody asked for.

        Raises:
            OutputsError: the disk is full, for example.
            ArchiveError: the embedding is none.
            UseLogError: it can't be logged.
            sqlalchemy.exc.SQLAlchemyError: the archive can't be written.
        """
        log_recognition(recognition)
        saving, self._recognition = self._saving, recognition
        stored = recognition if saving.embeddings else _without_embeddings(recognition)
        if self._draft is not None:  # all of the directory is there, or none of it
            draft = self._draft.complete(stored)
            self.problem = saving.export(stored, draft)
            for name in saving.marks:
                private.touch(draft / name)
            self.directory = self._draft.publish(stored, claim=lambda name: claim(name, draft / RESULT))
        if saving.archive is not None and saving.archive != "later" and (record := self.record()) is not None:
            saving.archive.add_records([record])
        return stored

    def record(self) -> ArchiveRecord | None:
        """What is to be archived, once it is committed; None: nothing.

        Raises:
            ArchiveError: the embedding is none.
        """
        if self._saving.archive is None or self._recognition is None:
            return None
        return from_recognition(self._recognition, link=self._link, outputs=self.directory)

    def rescue(self) -> Path | None:
        """Save the sound alone, as recording_….wav, where there will be no recognition and it can't be had again.

        Returns:
            Where it is; None: none was written, it is published, or sound isn't to be kept.

        Raises:
            OutputsError: it can't be moved.
        """
        if self._draft is None or self.directory is not None or not self._saving.sound:
            return None
        return self._draft.keep_audio()


def log_recognition(recognition: Recognition) -> None:
    """Log that a recording was recognised, before anybody is given what came out.

    Raises:
        UseLogError: it can't be.
    """
    recording, model, ruling = recognition.recording, recognition.model, recognition.policy
    use_log.log(
        "recognized",
        recordings=[recording.sha256],
        model=f"{model.name} {model.revision}",
        policy=None if ruling is None else ruling.profile,
        side=recording.side,
        outcome="talk time" if ruling is not None and not ruling.inferred else "inferred",
    )


def _drop(rows: Floats) -> None:
    """Take embeddings of frames that nobody asked for: the archive needs their mean alone."""


def _without_embeddings(recognition: Recognition) -> Recognition:
    changes: dict[str, Any] = {"embedding": None}
    if recognition.segments is not None:
        changes["segments"] = [item.model_copy(update={"embedding": None}) for item in recognition.segments]
    return recognition.model_copy(update=changes)
