"""Finding recordings: files, directories and globs, as people name them on a command line."""

import glob
import os
from pathlib import Path
from urllib.parse import unquote

from emovox.errors import RecordingNotFoundError

EXTENSIONS = frozenset(
    """
    .3ga .3gp .aac .ac3 .aif .aifc .aiff .alac .amr .ape .asf .au .avi .awb .caf .dts .eac3 .flac .flv .gsm .m2ts
    .m4a .m4b .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpeg .mpg .mts .oga .ogg .ogv .opus .ra .rm .snd .spx .tta
    .ts .vob .voc .w64 .wav .webm .wma .wmv .wv
    """.split()  # noqa: SIM905  one list literal would be sixty lines
)
"""What counts as a recording in a directory; a file named by itself may have any name."""


def is_remote(name: str) -> bool:
    """Whether a name is an address, as `s3://bucket/key`, and not a path."""
    scheme, found, _ = name.partition("://")
    return bool(found) and scheme.isascii() and scheme[:1].isalpha() and scheme != "file"


def local_path(name: str) -> str:
    """A path, where a name is a `file://` address of one on this machine; another name stays as it is."""
    scheme, found, rest = name.partition("://")
    if not found or scheme != "file":
        return name
    rest = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
    return unquote(rest, errors="surrogateescape")


def find(argument: str) -> list[Path]:
    """List the recordings that one argument means, sorted; a path that isn't there is returned as it is.

    Directories are searched recursively for `EXTENSIONS`, without hidden files and without outputs directories,
    whose processed_audio.wav would be recognised again.

    Raises:
        RecordingNotFoundError: a directory without recordings, or a glob that matches none.
    """
    if not argument:
        raise RecordingNotFoundError("an empty name: was a variable meant?")
    path = Path(argument)
    if path.is_dir():
        found = _search(path)
        if not found:
            raise RecordingNotFoundError("no audio or video file in this directory", argument)
        return found
    if path.exists() or not glob.has_magic(argument):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207  ~ and drives stay as given
    found = [file for match in matches for file in (_search(match) if match.is_dir() else [match])]
    if not found:
        raise RecordingNotFoundError("nothing matches this pattern", argument)
    return list(dict.fromkeys(found))


def _search(root: Path) -> list[Path]:
    found = []
    for folder, directories, files in os.walk(root):
        directories[:] = sorted(
            name
            for name in directories
            if not name.startswith(".") and not (name.startswith("outputs_") and _is_outputs(Path(folder, name)))
        )
        found += [
            Path(folder, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS
        ]
    return found


def _is_outputs(directory: Path) -> bool:
    return (directory / "result.json").exists()
