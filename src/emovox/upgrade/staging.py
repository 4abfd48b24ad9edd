"""Staging: what an upgrade has made so far, beside the outputs, each piece whole or not at all.

So an upgrade that is killed goes on where it was, and what is there stays as it is until all is made.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from emovox import exports, files, private
from emovox.archive.database import HIDDEN
from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.errors import ArchiveError
from emovox.exports import Language
from emovox.inference import npy
from emovox.inference.frames import FRAMES
from emovox.inference.npy import NpyWriter
from emovox.inference.options import EmbeddingSink
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS, read_result, write_again
from emovox.settings import settings
from emovox.upgrade.material import Material

ARCHIVED = "archived.npz"  # the embeddings for the archive, which files may be without
HEADS, BASELINES, _RECORDS = "heads", "baselines", "records"
_FILES = (FRAMES, SEGMENT_EMBEDDINGS, EMBEDDING)  # what there may be beside result.json


class Staging:
    """The pieces of an upgrade to one revision of a model.

    Attributes:
        path: where they are.
    """

    def __init__(self, model: ModelFacts) -> None:
        """Take it for this process, and keep what is there.

        Args:
            model: that is used: what another made, or in another precision, can't go on here.

        Raises:
            ArchiveError: another process upgrades this archive now, or it can't be written.
        """
        root = settings().outputs.absolute() / HIDDEN
        self.path = _path(model)
        try:
            private.make_directory(root)
            lock = root / "upgrade"  # without a suffix: drafts have locks of their own
            self._lock = FileLock(lock, mode=private.lock_mode(lock))
            self._lock.acquire(timeout=0)
            for name in (HEADS, BASELINES, _RECORDS):
                private.make_directory(self.path / name)
        except Timeout:
            raise ArchiveError("another process upgrades this archive now: wait for it, or stop it") from None
        except OSError as error:
            raise ArchiveError(f"{root}: can't be written to: {error.strerror or error}") from error

    @classmethod
    def made(cls, model: ModelFacts) -> set[str]:
        """The ids of records whose new recognitions an upgrade that broke off has made."""
        paths = (_path(model) / _RECORDS).glob("*/*")
        return {path.name for path in paths if not path.name.startswith(".")}

    def close(self, *, done: bool) -> None:
        """Let go of it; what was made is removed if it is where it belongs."""
        if done:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()

    def directory(self, id_: str) -> Path:
        """Where what takes a record's place is, or will be."""
        return self.path / _RECORDS / id_[:2] / id_

    def has(self, id_: str) -> bool:
        """Whether a record's new recognition is made."""
        return self.directory(id_).is_dir()

    def draft(self, id_: str, *, width: int) -> "Draft":
        """A recognition in the making; one that was left half made is thrown away."""
        path = self.directory(id_).with_name(f".{id_}")
        shutil.rmtree(path, ignore_errors=True)
        private.make_directory(path)
        return Draft(path, self.directory(id_), width)

    def record(self, material: Material) -> ArchiveRecord:
        """The archive's new record in the place of one."""
        directory, old = self.directory(material.record.id), material.record
        recognition = read_result(directory, "segments")
        record = from_recognition(
            recognition, id_=files.digest(directory / RESULT), link=old.link, outputs=old.outputs
        )
        whole, rows = self.embeddings(old.id)
        segments = record.segments
        if len(rows) == len(segments):
            pairs = zip(segments, rows, strict=True)
            segments = tuple(replace(item, embedding=row) for item, row in pairs)
        return replace(record, embedding=whole, segments=segments)

    def embeddings(self, id_: str) -> tuple[Floats | None, Floats]:
        """For the archive: of the whole, (D,), and of its segments, (n, D)."""
        with np.load(self.directory(id_) / ARCHIVED, allow_pickle=False) as content:
            whole = content["whole"]
            return (whole if whole.size else None), content["segments"]

    def file_embedding(self, id_: str) -> Floats | None:
        """The mean of the new embedding.npy, as baselines of outputs take it; None: there is none."""
        path = self.directory(id_) / EMBEDDING
        if not path.is_file():
            return None
        return np.asarray(np.atleast_2d(np.load(path, allow_pickle=False)).mean(axis=0), np.float32)

    def forget(self, known: set[str]) -> None:
        """Remove what is of records that aren't any more."""
        for path in list((self.path / _RECORDS).glob("*/*")):
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    def install(self, id_: str, directory: Path) -> None:
        """Put the files of a new recognition in the place of the old ones; its sound stays.

        Repeating it changes nothing. They may not be on the disk yet, for which `os.sync` sees.

        Raises:
            OSError: they can't be written.
        """
        scratch = self.directory(id_)
        made = {path.name for path in scratch.iterdir()} - {ARCHIVED, RESULT}
        exported = {name for name in made - set(_FILES) if (directory / name).exists()}
        for name in (*sorted(made & set(_FILES)), *sorted(exported), RESULT):  # result.json is the last
            for left in directory.glob(f".{name}.*"):  # by an upgrade that was killed
                left.unlink(missing_ok=True)
            draft = files.aside(directory / name)
            with (scratch / name).open("rb") as source, private.create(draft) as target:
                shutil.copyfileobj(source, target, 2**20)
            draft.replace(directory / name)
        for name in set(_FILES) - made:
            (directory / name).unlink(missing_ok=True)


class Draft:
    """One new recognition on its way to the staging."""

    def __init__(self, path: Path, target: Path, width: int) -> None:
        self._path, self._target, self._width = path, target, width
        self._embedding: NpyWriter | None = None

    def sink(self, *, wanted: bool) -> EmbeddingSink:
        """The `embedding_sink` to recognise with: writes embeddings of frames if they are wanted in files."""

        def write(rows: Floats) -> None:
            if wanted:
                self._embedding = self._embedding or NpyWriter(self._path / EMBEDDING, self._width)
                self._embedding.write(rows)

        return write

    def commit(
        self, recognition: Recognition, *, embedding: bool, sound: Path, formats: Sequence[str], language: Language
    ) -> None:
        """Write it.

        Args:
            recognition: what takes the place of the old one.
            embedding: whether embeddings are wanted in files; the archive has them anyway.
            sound: that pictures show.
            formats: of exports.
            language: of exports.

        Raises:
            ExportError: an export can't be made.
            OutputsError: the disk is full, for example.
            OSError: likewise.
        """
        record = from_recognition(recognition, id_="")
        rows = [item.embedding for item in record.segments if item.embedding is not None]
        if self._embedding is not None:
            self._embedding.close()
        elif embedding and recognition.embedding is not None:
            npy.save(self._path / EMBEDDING, recognition.embedding)
        if not embedding:
            segments = recognition.segments and [
                item.model_copy(update={"embedding": None}) for item in recognition.segments
            ]
            recognition = recognition.model_copy(update={"segments": segments})
        write_again(self._path, recognition)
        if formats:
            (self._path / AUDIO).symlink_to(sound.absolute())
            exports.write(recognition, self._path, formats, language=language)
            (self._path / AUDIO).unlink()
        whole = np.zeros(0, np.float32) if record.embedding is None else record.embedding
        segments_ = np.stack(rows) if rows else np.zeros((0, self._width), np.float32)
        with private.create(self._path / ARCHIVED) as file:
            np.savez(file, whole=whole, segments=segments_)
        for path in self._path.iterdir():
            files.sync(path)
        self._path.rename(self._target)


def _path(model: ModelFacts) -> Path:
    return settings().outputs.absolute() / HIDDEN / f"upgrade-{model.checksum[:16]}-{model.precision}"
