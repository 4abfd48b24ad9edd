"""Folders that an assistant was granted: it names what is in them, and no path leads out."""

import os
import re
import stat
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from emovox.audio.files import find
from emovox.errors import OptionsError, RecordingNotFoundError

_NAME = re.compile(r"\w[\w.-]{0,63}")


class Folders:
    """Folders by the names that they are granted under: `interviews/a.wav` is all that is seen of a path."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Begin.

        Args:
            folders: where each lies, by its name.

        Raises:
            OptionsError: a name is none, or there is no such directory.
        """
        for name, path in folders.items():
            if not _NAME.fullmatch(name) or name.startswith("outputs_"):
                raise OptionsError(f"folder {name!r}: a name has letters, digits, -, _ and . alone")
            if not path.is_dir():
                raise OptionsError(f"folder {name}: {path} is no directory")
        self._roots = {name: Path(os.path.realpath(path)) for name, path in folders.items()}

    @property
    def names(self) -> list[str]:
        """In the order in which they were granted."""
        return list(self._roots)

    def path(self, name: str) -> Path:
        """Where the recording of a name lies, with every link followed.

        Raises:
            RecordingNotFoundError: there is none, or it lies outside of what was granted.
        """
        folder, _, rest = name.partition("/")
        root = self._roots.get(folder)
        if root is None or not rest:
            granted = ", ".join(self._roots) or "none"
            raise RecordingNotFoundError(
                f"say the folder and the file, as FOLDER/a.wav; granted folders: {granted}", name
            )
        try:
            path = Path(os.path.realpath(root / rest))
            if not path.is_relative_to(root):
                raise RecordingNotFoundError("it lies outside of the folder, and isn't granted", name)
            if not stat.S_ISREG(path.stat().st_mode):
                raise RecordingNotFoundError("that is no file: list_recordings shows what is there", name)
        except (OSError, ValueError):  # a name with a null character
            alike = [
                path for path in self._paths(folder) if _alike(_shown(path.relative_to(root))) == _alike(rest)
            ]
            if len(alike) != 1:
                raise RecordingNotFoundError("no such file: list_recordings shows what is there", name) from None
            path = Path(os.path.realpath(alike[0]))
        return path

    def name(self, path: str | Path | None) -> str | None:
        """The name of a path; None: it lies in none of the folders."""
        if path is None:
            return None
        real = Path(os.path.realpath(path))
        for name, root in self._roots.items():
            if real.is_relative_to(root) and real != root:
                return f"{name}/{_shown(real.relative_to(root))}"
        return None

    def recordings(self, folder: str | None = None) -> list[str]:
        """The names of all recordings in one folder, or in all; those that links lead out to are left out.

        Raises:
            RecordingNotFoundError: there is no such folder.
        """
        if folder is not None and folder not in self._roots:
            raise RecordingNotFoundError(f"no such folder; granted: {', '.join(self._roots) or 'none'}", folder)
        return [
            f"{name}/{_shown(path.relative_to(self._roots[name]))}"
            for name in (self._roots if folder is None else [folder])
            for path in self._paths(name)
        ]

    def _paths(self, folder: str) -> list[Path]:
        """The recordings in a folder; links that lead out are left out, and pipes."""
        root = self._roots[folder]
        try:
            paths = find(str(root), failed=lambda *_: None)
        except RecordingNotFoundError:  # it is empty
            return []
        return [path for path in paths if path.is_file() and Path(os.path.realpath(path)).is_relative_to(root)]

    def without_paths(self, text: str) -> str:
        """A message in which folders have their names instead of their paths."""
        for name, root in sorted(self._roots.items(), key=lambda item: -len(str(item[1]))):
            text = text.replace(str(root), name)
        return text


def _shown(path: Path) -> str:
    """A name as text that any program can pass on: names on disk may be no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _alike(name: str) -> str:
    """What names have in common that look the same: a model writes é in one character, a disk may have two."""
    return unicodedata.normalize("NFC", name)
