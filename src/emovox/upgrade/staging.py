"""Staging: what an upgrade has made so far, beside the outputs, each piece whole or not at all.

So an upgrade that is killed goes on where it was, and what is there stays as it is until all is made.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from emovox import exports, files, private
from emovox.archive.database import HIDDEN
from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.errors import ArchiveError, ExportError
from emovox.exports import Language
from emovox.inference import npy
from emovox.inference.frames import FRAMES
from emovox.inference.npy import NpyWriter
from emovox.inference.options import EmbeddingSink
from emovox.inference.recognition import Recognition
from emovox.outputs import EMBEDDING, RESULT, SEGMENT_EMBEDDINGS, read_result, write_again
from emovox.settings import settings
from emovox.upgrade.material import Material

ARCHIVED = "archived.npz"  # the embeddings for the archive, which files may be without
HEADS, BASELINES, _RECORDS = "heads", "baselines", "records"
_FILES = (FRAMES, SEGMENT_EMBEDDINGS, EMBEDDING, RESULT)  # result.json is the last


class Staging:
    """The pieces of an upgrade to one revision of a model.

    Attributes:
        path: where they are.
    """

    def __init__(self, checksum: str) -> None:
        """Take it for this process, and keep what is there.

        Args:
            checksum: of the model's file: what another gave can't go on here.

        Raises:
            ArchiveError: another process upgrades this archive now, or it can't be written.
        """
        root = settings().outputs.absolute() / HIDDEN
        self.path = root / f"upgrade-{checksum[:16]}"
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
    def made(cls, checksum: str) -> set[str]:
        """The ids of records whose new recognitions an upgrade that broke off has made."""
        root = settings().outputs.absolute() / HIDDEN / f"upgrade-{checksum[:16]}" / _RECORDS
        return {path.name for path in root.glob("*/*") if not path.name.startswith(".")}

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

    def install(self, id_: str, directory: Path, *, language: Language) -> None:
        """Put the files of a new recognition in the place of the old ones, with the exports that are there.

        Its sound stays. Repeating it changes nothing.

        Raises:
            OSError: they can't be written.
        """
        own = self.directory(id_)
        for name in _FILES:
            if (own / name).exists():
                draft = files.aside(directory / name)
                shutil.copyfile(own / name, draft)
                draft.chmod(
                    0o600 if not (directory / name).exists() else (directory / name).stat().st_mode & 0o777
                )
                files.sync(draft)
                draft.replace(directory / name)
            elif name != RESULT:
                (directory / name).unlink(missing_ok=True)
        recognition = read_result(directory)
        try:
            if formats := exports.written(recognition, directory):
                exports.write(recognition, directory, formats, language=language)
        except ExportError:  # a package is missing: the export stays as it was
            return


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

    def commit(self, recognition: Recognition, *, embedding: bool) -> None:
        """Write it with its embeddings, those for files only if they are wanted there.

        Raises:
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
        whole = np.zeros(0, np.float32) if record.embedding is None else record.embedding
        segments_ = np.stack(rows) if rows else np.zeros((0, self._width), np.float32)
        with private.create(self._path / ARCHIVED) as file:
            np.savez(file, whole=whole, segments=segments_)
        for path in self._path.iterdir():
            files.sync(path)
        self._path.rename(self._target)
