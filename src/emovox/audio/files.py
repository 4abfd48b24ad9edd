"""Finding recordings: files, directories and globs, as people name them on a command line."""

import os
from pathlib import Path
from urllib.parse import unquote

from emovox import directories
from emovox.errors import RecordingNotFoundError, UnreadableAudioError

EXTENSIONS = frozenset(
    """
    .3ga .3gp .aac .ac3 .aif .aifc .aiff .alac .amr .ape .asf .au .avi .awb .caf .dts .eac3 .flac .flv .gsm .m2ts
    .m4a .m4b .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpeg .mpg .mts .oga .ogg .ogv .opus .ra .rm .snd .spx .tta
    .ts .vob .voc .w64 .wav .webm .wma .wmv .wv
    """.split()  # noqa: SIM905  one list literal would be sixty lines
)
"""The extensions of recordings in a directory; a file that is named itself may have any name."""


def is_remote(name: str) -> bool:
    """Whether a name is an address such as `s3://bucket/key`, not a path."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.isascii() and scheme[:1].isalpha() and scheme != "file"


def refuse_address(name: str) -> None:
    """Nothing is fetched from elsewhere.

    Raises:
        RecordingNotFoundError: an address such as `https://host/call.mp3`, and no file of that name.
    """
    if is_remote(name) and not os.path.lexists(name):
        raise RecordingNotFoundError("only files on this machine are read: download it first", name)


def local_path(name: str) -> str:
    """The path of a `file://` address on this machine; any other name is returned as it is."""
    scheme, separator, rest = name.partition("://")
    if not separator or scheme != "file":
        return name
    rest = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
    return unquote(rest, errors="surrogateescape")


def _refuse(path: Path, reason: str) -> None:
    raise UnreadableAudioError(reason, str(path))


def find(argument: str, *, failed: directories.Failed = _refuse) -> list[Path]:
    """List the recordings that an argument means, sorted; a path that doesn't exist is returned as it is.

    Directories are searched recursively for `EXTENSIONS`, without hidden files and without outputs directories,
    whose processed_audio.wav would be recognised again.

    Args:
        argument: a file, a directory or a pattern.
        failed: is called for directories that can't be read; the rest is searched all the same.

    Raises:
        RecordingNotFoundError: a directory without recordings, or a glob that matches none.
        UnreadableAudioError: a directory can't be read, without `failed`.
    """
    if not argument:
        raise RecordingNotFoundError("the name is empty: is a variable unset?")
    refuse_address(argument)
    unreadable: list[Path] = []

    def note(path: Path, reason: str) -> None:
        if path not in unreadable:  # a pattern may match it twice
            unreadable.append(path)
            failed(path, reason)

    path = Path(argument)
    if os.path.isdir(path):  # noqa: PTH112  what is too deep raises no error here
        paths = _search(path, note)
        reason = "no audio or video files in this directory"
    elif os.path.lexists(path) or not directories.MAGIC.search(argument):
        return [path]
    else:
        matches = directories.glob(argument, note, enters=lambda folder: not _is_outputs(folder))
        paths = [file for match, folder in matches for file in (_search(match, note) if folder else [match])]
        reason = "nothing matches this pattern"
    if not paths and not unreadable:
        raise RecordingNotFoundError(reason, argument)
    return list(dict.fromkeys(paths))


def _search(root: Path, failed: directories.Failed) -> list[Path]:
    paths = directories.files(root, failed, enters=lambda folder: not _is_outputs(folder))
    return [path for path in paths if path.suffix.lower() in EXTENSIONS]


def _is_outputs(directory: Path) -> bool:
    return directory.name.startswith("outputs_") and os.path.exists(directory / "result.json")  # noqa: PTH110
