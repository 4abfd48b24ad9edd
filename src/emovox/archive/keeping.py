"""Keeping: how a recognition that is being made gets into the archive, with its embedding, asked for or not."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.inference.options import EmbeddingSink
from emovox.inference.recognition import Recognition

if TYPE_CHECKING:
    from emovox.archive.archive import Archive


class Kept:
    """One recognition on its way into the archive; it must be made with `embedding=True`.

    Where nobody asked for embeddings the archive has them all the same, and the outputs directory doesn't: they
    cost nothing to compute, and half a kilobyte to two to keep.
    """

    def __init__(
        self,
        archive: "Archive | None",
        *,
        asked: bool,
        sink: EmbeddingSink | None = None,
        link: str | None = None,
    ) -> None:
        """Begin.

        Args:
            archive: where it goes; None: nowhere, and then everything here passes things on as they are.
            asked: whether embeddings are to be stored in files, too.
            sink: is given the embeddings of frames if they are.
            link: where the recording is.
        """
        self._archive, self._asked, self._link = archive, asked, link
        self._sink = sink if asked else None
        self._recognition: Recognition | None = None

    @property
    def sink(self) -> EmbeddingSink | None:
        """The `embedding_sink` to recognise frames with."""
        return self._sink if self._archive is None or self._sink is not None else _drop

    def take(self, recognition: Recognition) -> Recognition:
        """Take what was recognised; gives what is to be stored in files."""
        self._recognition = recognition
        return recognition if self._asked else _without_embeddings(recognition)

    def record(self, outputs: Path | None) -> ArchiveRecord | None:
        """What is to be archived, now that it has its outputs directory; None: nothing.

        Raises:
            ArchiveError: the embedding is none.
        """
        if self._archive is None or self._recognition is None:
            return None
        return from_recognition(self._recognition, link=self._link, outputs=outputs)

    def keep(self, outputs: Path | None) -> None:
        """Archive it.

        Raises:
            ArchiveError: the embedding is none.
            sqlalchemy.exc.SQLAlchemyError: the database can't be written.
        """
        record = self.record(outputs)
        if self._archive is not None and record is not None:
            self._archive.add_records([record])


def _drop(rows: Floats) -> None:
    """Take embeddings of frames that nobody asked for: the archive needs their mean alone."""


def _without_embeddings(recognition: Recognition) -> Recognition:
    changes: dict[str, Any] = {"embedding": None}
    if recognition.segments is not None:
        changes["segments"] = [item.model_copy(update={"embedding": None}) for item in recognition.segments]
    return recognition.model_copy(update=changes)
