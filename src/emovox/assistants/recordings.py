"""Recordings that an assistant names: recognised when they are first asked for, or read from stored outputs."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emovox import use_log
from emovox.archive.archive import Archive
from emovox.assistants.folders import Folders
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import OptionsError, OutputsError, RecordingNotFoundError
from emovox.inference.options import Options, Sink
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.talk_time import withheld
from emovox.outputs import Outputs, read_result
from emovox.policy import parse_sides, policy
from emovox.saving import Saving
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.record import ArchiveRecord

COMMAND = "emovox mcp"
"""In the log of use, where an account is who asks."""
RECENT = 8  # recognitions that are kept for the next question
MOST_FRAMES = 720_000  # of them together: four hours, 50 MB
_ID = re.compile(r"[0-9a-f]{8,64}")
_OUTPUTS = re.compile(r"outputs_\w{1,80}")

Progress = Callable[[float], None]
"""Is told how many seconds of a recording have been recognised."""


@dataclass(frozen=True)
class Declaration:
    """What an assistant says of a recording; None: nothing."""

    side: str | None = None
    purpose: str | None = None
    consent: str | None = None


SILENT = Declaration()


class Recordings:
    """What an assistant may ask about.

    Attributes:
        folders: that it was granted.
        archive: whether it was granted the archive, and the outputs beside it.
    """

    def __init__(
        self, folders: Folders, recognizer: Callable[[], Recognizer], options: Options, *, archive: bool
    ) -> None:
        """Begin.

        Args:
            folders: that are granted.
            recognizer: loads the model, when it is first needed.
            options: of every recognition; what they declare can't be declared otherwise later.
            archive: whether the archive is granted.
        """
        self.folders, self.archive = folders, archive
        self._load, self._options = recognizer, replace(options, segments=True, granularity="frame")
        self._recognizer: Recognizer | None = None
        self._recent: OrderedDict[tuple[object, ...], Recognition] = OrderedDict()
        self._declared: dict[tuple[Path, int | None], Declaration] = {}
        self._lock = threading.Lock()

    def recognition(
        self,
        name: str,
        *,
        channel: int | None = None,
        declared: Declaration = SILENT,
        progress: Progress = lambda _: None,
    ) -> Recognition:
        """The recognition of a recording, with its segments and, unless it was stored without, its frames.

        Args:
            name: FOLDER/file, or an outputs directory or id of the archive.
            channel: the one to recognise alone, from 1.
            declared: whose voice it is, and so on; it holds until another is declared.
            progress: is told how far it has come.

        Raises:
            EmovoxError: it can't be recognised or read, or isn't granted.
        """
        if self.is_stored(name):
            if channel is not None or declared != SILENT:
                raise OptionsError(f"{name} was recognised before: channel, side and the like can't be changed")
            return self._read(name)
        path = self.folders.path(name)
        options = self._declare(path, channel, declared)
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size, channel, options.side, options.purpose, options.consent)
        with self._lock:
            if (recognition := self._recent.get(key)) is not None:
                self._recent.move_to_end(key)
                use_log.log("read", recordings=[recognition.recording.sha256], command=COMMAND)
                return recognition
            recognition, _ = self._recognize(path, options, Saving(archive="later"), progress)
            self._recent[key] = recognition
            while len(self._recent) > 1 and (len(self._recent) > RECENT or self._frames() > MOST_FRAMES):
                self._recent.popitem(last=False)
            return recognition

    def save(
        self, name: str, *, channel: int | None, declared: Declaration, progress: Progress
    ) -> tuple[Recognition, Path]:
        """Recognise a file and store it as outputs, and in the archive if that is granted.

        Returns:
            The recognition and its outputs directory.

        Raises:
            EmovoxError: it can't be recognised or stored.
        """
        path = self.folders.path(name)
        options = self._declare(path, channel, declared)
        sound = settings().keep == "all"
        outputs = Outputs(settings().outputs)
        with self._lock:
            if not self.archive:
                recognition, directory = self._recognize(path, options, Saving(outputs, sound=sound), progress)
            else:
                with Archive() as archive:
                    saving = Saving(outputs, sound=sound, archive=archive)
                    recognition, directory = self._recognize(path, options, saving, progress)
        assert directory is not None  # noqa: S101  it was saved
        return recognition, directory

    def to_compare(self, name: str, archive: Archive, *, progress: Progress) -> "Recognition | ArchiveRecord":
        """What `Archive.similar` looks for the like of.

        Raises:
            EmovoxError: as `recognition`.
        """
        if self.is_stored(name):
            return self._record(name, archive)
        recognition = self.recognition(name, progress=progress)
        mean = recognition.mean_embedding
        embedding = None if mean is None else np.asarray(mean, np.float32)[np.newaxis]
        return recognition.model_copy(update={"embedding": embedding})

    def is_stored(self, name: str) -> bool:
        """Whether a name is that of an outputs directory or an id of the archive, and no file's."""
        return bool(_OUTPUTS.fullmatch(name) or _ID.fullmatch(name))

    def without_paths(self, text: str) -> str:
        """A message without paths of this machine."""
        text = self.folders.without_paths(text)
        for path in (settings().outputs.absolute(), settings().outputs):
            text = text.replace(f"{path}/", "")
        return text

    def _declare(self, path: Path, channel: int | None, declared: Declaration) -> Options:
        """The options for a recording, with what was declared of it now or before.

        Raises:
            OptionsError: a value that means nothing, or that whoever started this has declared otherwise.
        """
        before = self._declared.get((path, channel), SILENT)
        declaration = {name: value for name in vars(SILENT) if (value := getattr(declared, name)) is not None}
        for name, value in declaration.items():
            option = getattr(self._options, name)
            if option is not None and option != (parse_sides(value) if name == "side" else value):
                raise OptionsError(f"leave {name} out: whoever started `{COMMAND}` declared it for all recordings")
        latest = replace(before, **declaration)
        values = {name: value for name, value in vars(latest).items() if value is not None}
        options = replace(self._options, channel=channel, **values)
        self._declared[path, channel] = latest
        return options

    def _recognize(
        self, path: Path, options: Options, saving: Saving, progress: Progress
    ) -> tuple[Recognition, Path | None]:
        if self._recognizer is None:
            self._recognizer = self._load()
        with saving.begin(link=str(path)) as save:
            recognition = self._recognizer.recognize(
                path,
                sink=_following(save.sink, progress),
                embedding_sink=save.embedding_sink,
                **vars(save.options(options)),
            )
            return save.commit(recognition), save.directory

    def _frames(self) -> int:
        return sum(0 if item.frames is None else len(item.frames) for item in self._recent.values())

    def _record(self, name: str, archive: Archive) -> "ArchiveRecord":
        records = archive.lookup(name)
        if not records:
            raise RecordingNotFoundError("the archive has nothing of this name: search shows what it has", name)
        return records[0]

    def _read(self, name: str) -> Recognition:
        if not self.archive:
            raise RecordingNotFoundError(f"stored outputs aren't granted: start `{COMMAND}` with --archive", name)
        directory: Path | None = settings().outputs / name
        if _ID.fullmatch(name):
            with Archive(make=False) as archive:
                directory = self._record(name, archive).outputs
        if directory is None or directory.is_symlink() or not directory.is_dir():
            raise OutputsError(f"{name}: its outputs directory is gone: search shows what the archive still has")
        recognition = read_result(directory)
        use_log.log("read", recordings=[recognition.recording.sha256], outputs=[directory.name], command=COMMAND)
        return withheld(recognition, policy())


def _following(sink: Sink | None, progress: Progress) -> Sink:
    """A sink that tells how many seconds it has passed on."""
    samples = 0

    def follow(block: Waveform) -> None:
        nonlocal samples
        if sink is not None:
            sink(block)
        samples += len(block)
        progress(samples / SAMPLE_RATE)

    return follow
