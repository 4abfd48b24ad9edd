"""Outputs directories: `outputs/outputs_YYYYMMDD_HHMMSS/`, complete or not there at all.

Everything is written in a draft directory under `outputs/.emovox/`, on the same file system, and renamed when it
is complete. A draft's owner holds a lock on it as long as it lives; a draft without an owner was left by a process
that died, and is cleared at the next start.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray
from pydantic import ValidationError

from emovox import directories, files, private, refusals
from emovox.audio.wav import WavWriter
from emovox.audio.waveform import Waveform
from emovox.errors import ExportError, OutputsError
from emovox.inference import npy, npz
from emovox.inference import stored_result as stored
from emovox.inference.frames import FRAMES
from emovox.inference.npy import NpyWriter
from emovox.inference.recognition import Recognition

AUDIO = "processed_audio.wav"
RESULT = "result.json"
EMBEDDING = "embedding.npy"
SEGMENT_EMBEDDINGS = "segment_embeddings.npy"

_DRAFTS = ".emovox"
REMOVED = "removed-"
"""What the names begin with of what is being deleted, in the hidden directory."""
TIMELINES = "timelines"
"""Where in it a service caches what it draws of outputs."""
_PREFIX = "outputs_"


def is_outputs(directory: Path) -> bool:
    """Whether this is an outputs directory, by its name and its contents."""
    return directory.name.startswith(_PREFIX) and (directory / RESULT).exists()


def find_directories(root: Path, *, failed: directories.Failed | None = None) -> list[Path]:
    """The outputs directories of a path: itself, or all below it, sorted, without hidden ones.

    Args:
        root: where to look.
        failed: is called for directories that can't be read; the rest is searched all the same.

    Raises:
        OutputsError: there are none; or one can't be read, without `failed`.
    """
    if os.path.isfile(root / RESULT):  # noqa: PTH113  what is too deep raises no error here
        return [root]
    unreadable: list[Path] = []

    def note(path: Path, reason: str) -> None:
        if failed is None:
            raise OutputsError(f"{path}: {reason}")
        unreadable.append(path)
        failed(path, reason)

    paths = [path.parent for path in directories.files(root, note) if path.name == RESULT]
    if not paths and not unreadable:
        exists = os.path.isdir(root)  # noqa: PTH112
        reason = (
            f"no outputs directories in it, as nothing in it is called {RESULT}" if exists else "no such directory"
        )
        raise OutputsError(f"{root}: {reason}")
    return sorted(paths)


def read_result(directory: str | Path, only: stored.Part | None = None) -> Recognition:
    """The result in an outputs directory.

    The rows of frames are read when they are asked for: if their file is gone or damaged, `FramesError` is raised.

    Args:
        directory: the outputs directory.
        only: read this part alone, of segments and frames, which may be long.

    Raises:
        ExportError: there is none, or Emovox didn't write it.
        OutputsError: it can't be read.
    """
    directory = Path(directory)
    try:
        return stored.read(directory / RESULT, only)
    except (FileNotFoundError, NotADirectoryError) as error:
        inside = " (there are some inside it: give those)" if _has_outputs(directory) else ""
        raise ExportError(f"not an outputs directory: it has no {RESULT}{inside}") from error
    except OSError as error:
        raise OutputsError(f"{directory / RESULT}: can't be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ExportError(
            f"{RESULT} wasn't written by Emovox, or is damaged ({where}: {first['msg']}); "
            "recognise the recording again"
        ) from error


def _has_outputs(directory: Path) -> bool:
    try:
        return any(os.path.exists(directory / name / RESULT) for name, _ in directories.scan(directory))  # noqa: PTH110
    except OSError:
        return False


def remove(directory: Path) -> None:
    """Delete an outputs directory, and what is cached of it; it disappears at once.

    What a kill leaves of it aside goes with the next that is removed, or when a service starts.

    Raises:
        OutputsError: it can't be deleted.
    """
    hidden = directory.parent / _DRAFTS
    with _explained(directory):
        private.make_directory(hidden)
        directory.rename(hidden / f"{REMOVED}{secrets.token_hex(8)}")
    for path in (*hidden.glob(f"{REMOVED}*"), *(hidden / TIMELINES).glob(f"{directory.name}.*")):
        shutil.rmtree(path, ignore_errors=True)


def write_again(directory: Path, recognition: Recognition) -> None:
    """Replace what an outputs directory says by another recognition of its sound, a file at a time.

    Raises:
        OutputsError: the disk is full, or the directory is gone.
    """
    with _explained(directory):
        for file, write in _contents(recognition):
            draft = files.aside(directory / file)
            try:
                write(draft)
                files.sync(draft)
                draft.replace(directory / file)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise


def _contents(recognition: Recognition) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """The files that follow from a recognition, each with what writes it; result.json is the last."""
    if (frames := recognition.frames) is not None:
        yield FRAMES, lambda path: npz.save(path, frames.arrays())
    segments = [item.embedding for item in recognition.segments or [] if item.embedding is not None]
    if segments:
        yield SEGMENT_EMBEDDINGS, lambda path: npy.save(path, np.stack(segments))

    def result(path: Path) -> None:
        with private.create(path, "x", encoding="utf-8") as file:
            file.writelines(recognition.json_pieces(inline=False))

    yield RESULT, result


class Draft:
    """An outputs directory that is being made."""

    def __init__(self, root: Path, begin: Callable[[], Path], *, sound: bool = True) -> None:
        self._root, self._sound = root, sound
        self._begin = begin
        self._wav: WavWriter | None = None
        self._embedding: NpyWriter | None = None
        self._completed = False

    def write(self, block: Waveform) -> None:
        """Append to processed_audio.wav: float32 (n,), 16 kHz. This is a `sink` for `Recognizer.recognize`.

        Raises:
            OutputsError: the disk is full, or the directory can't be written to.
        """
        with _explained(self._root):
            self._begun().write(block)

    def write_embedding(self, rows: NDArray[np.float32]) -> None:
        """Append to embedding.npy: float32 (n, D). This is an `embedding_sink` for `Recognizer.recognize`.

        Raises:
            OutputsError: the disk is full, or the directory can't be written to.
        """
        with _explained(self._root):
            self._begun()
            self._embedding = self._embedding or NpyWriter(self._path / EMBEDDING, rows.shape[1])
            self._embedding.write(rows)

    def finish_audio(self) -> Path:
        """Complete processed_audio.wav and return its path, valid until the draft is published or discarded.

        So a live stream can be recognised as a recording at its end.

        Raises:
            OutputsError: the disk is full, or the directory can't be written to.
        """
        with _explained(self._root):
            self._begun().close()
            return self._path / AUDIO

    def keep_audio(self) -> Path | None:
        """Save the sound alone, as `recording_YYYYMMDD_HHMMSS.wav`, if it can't be recognised.

        Returns:
            Where it is; None: there is none.

        Raises:
            OutputsError: it can't be moved.
        """
        if self._wav is None:
            return None
        audio = self.finish_audio()
        with _explained(self._root):
            stamp, number = datetime.now().strftime("%Y%m%d_%H%M%S"), 1  # local time, as for the directories
            while (path := self._root / f"recording_{stamp}{f'_{number}' if number > 1 else ''}.wav").exists():
                number += 1
            return audio.rename(path)

    def complete(self, recognition: Recognition) -> Path:
        """Add result.json, and frames and embeddings if there are any; once. Sound that isn't to be kept goes.

        Returns:
            The draft's directory, where exports may be added before it is published.

        Raises:
            OutputsError: the disk is full, or the directory is gone.
        """
        with _explained(self._root):
            self._begun().close()
            if self._completed:
                return self._path
            if not self._sound:
                (self._path / AUDIO).unlink()
            for file, write in _contents(recognition):
                write(self._path / file)
            if self._embedding is not None:
                self._embedding.close()
            elif recognition.embedding is not None:
                npy.save(self._path / EMBEDDING, recognition.embedding)
            self._completed = True
            return self._path

    def publish(self, recognition: Recognition, *, claim: Callable[[str], None] = lambda _: None) -> Path:
        """Complete the directory and give it its name.

        Args:
            recognition: what was recognised.
            claim: is given every name before it is tried; the last one is the directory's. A caller that stores it
                can tell after a crash whether the directory was published.

        Returns:
            The directory, named after the recognition's `timestamp`; with `_2`, `_3`… if that name is taken.

        Raises:
            OutputsError: the disk is full, or the directory is gone.
        """
        self.complete(recognition)
        with _explained(self._root):
            for file in self._path.iterdir():
                files.sync(file)
            stamp = recognition.timestamp.translate({ord("-"): None, ord(":"): None, ord(" "): "_"})
            if recognition.recording.channel is not None:
                stamp += f"_channel{recognition.recording.channel}"
            number = 1
            while not (path := self._claim(stamp, number, claim)):
                number += 1
            return path

    def close(self) -> None:
        """Close the files. What was published stays; whoever opened the draft clears the rest."""
        for file in (self._wav, self._embedding):
            if file is not None:
                with suppress(OSError):
                    file.close()

    def _begun(self) -> WavWriter:
        """The sound file, created when first needed: a recording that can't be read leaves nothing at all."""
        if self._wav is None:
            self._path = self._begin()
            self._wav = WavWriter(self._path / AUDIO)
        return self._wav

    def _claim(self, stamp: str, number: int, claim: Callable[[str], None]) -> Path | None:
        path = self._root / (f"{_PREFIX}{stamp}" if number == 1 else f"{_PREFIX}{stamp}_{number}")
        # On POSIX, renaming onto an empty directory succeeds; but another program may just have made it.
        if os.path.lexists(path):
            return None
        claim(path.name)
        try:
            self._path.rename(path)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR} or os.path.lexists(path):
                return None
            raise
        return path


class Outputs:
    """The directory for outputs directories.

    Examples:
        >>> outputs = emovox.Outputs("outputs")
        >>> with outputs.draft() as draft:
        ...     recognition = recognizer.recognize("call.mp3", sink=draft.write)
        ...     directory = draft.publish(recognition)
    """

    def __init__(self, path: str | Path) -> None:
        """Check the directory and clear drafts of dead processes; it is made when there is something to write.

        Raises:
            OutputsError: it can't be written to.
        """
        self.path = Path(path)
        self._drafts = self.path / _DRAFTS
        with _explained(self.path):
            parent = next(place for place in (self.path, *self.path.absolute().parents) if os.path.lexists(place))
            if not parent.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a directory")
            if not os.access(parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "no permission")
            if self._drafts.is_dir():
                with self._gate():
                    self._sweep()

    @contextmanager
    def draft(self, *, sound: bool = True) -> Iterator[Draft]:
        """A new draft, discarded at the end of the block unless it was published.

        Args:
            sound: whether what is published has processed_audio.wav.

        Raises:
            OutputsError: by the draft's methods.
        """
        with ExitStack() as stack:

            def begin() -> Path:
                path = self._drafts / secrets.token_hex(8)
                private.make_directory(self._drafts)
                with self._gate():
                    lock = _lock(path.with_suffix(".lock"))
                    lock.acquire()
                    stack.callback(_clear, path, lock)
                    private.make_directory(path)
                return path

            draft = Draft(self.path, begin, sound=sound)
            try:
                yield draft
            finally:
                draft.close()

    def _gate(self) -> BaseFileLock:
        """Held while drafts are created or swept, so that none is seen before it is locked."""
        return _lock(self._drafts / "gate")

    def _sweep(self) -> None:
        for held in self._drafts.glob("*.lock"):
            lock = _lock(held)
            with suppress(Timeout):
                lock.acquire(blocking=False)
                _clear(held.with_suffix(""), lock)


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path, mode=private.lock_mode(path), thread_local=False)


def _clear(path: Path, lock: BaseFileLock) -> None:
    """Remove a draft whose lock we hold, and the lock."""
    shutil.rmtree(path, ignore_errors=True)
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputsError(f"{directory}: {refusals.reason(error, 'choose another directory')}") from error
