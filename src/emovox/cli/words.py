"""Which words are those of which recording."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from emovox.errors import OptionsError
from emovox.inference.options import Options
from emovox.inference.recognition import WARNINGS, WORDS_BEYOND_END, WORDS_WITHOUT_SPEECH, Recognition
from emovox.words import SUFFIXES, Cue, read


class Words:
    """What `--words` names: the file of one recording, or a directory with one for each."""

    def __init__(self, path: Path | None, recordings: Sequence[str | Path]) -> None:
        """Read all of them, before anything is recognised; `missing` says which recordings have none, if any.

        Raises:
            UsageError: a file of several recordings, a directory without any of theirs, or one can't be read.
        """
        self._cues: dict[str | Path, list[Cue]] = {}
        self._files: dict[str | Path, Path] = {}
        self.missing = ""
        if path is None:
            return
        if not path.is_dir() and len(recordings) > 1:
            raise click.UsageError("--words: a file is of one recording; of several name a directory of files")
        try:
            files = {file.name.lower(): file for file in path.iterdir()} if path.is_dir() else None
            for recording in recordings:
                file = path if files is None else _of(recording, files)
                # of many calls there are some in which nobody speaks
                if file is not None and (cues := read(file, may_be_empty=files is not None)):
                    self._cues[recording], self._files[recording] = cues, file
        except OptionsError as error:
            raise click.UsageError(f"--{error}") from error
        except OSError as error:
            raise click.UsageError(f"--words {path}: it can't be read: {error.strerror or error}") from error
        if recordings and not self._cues:
            kinds = ", ".join(SUFFIXES)
            raise click.UsageError(
                f"--words {path}: no file there is called like a recording, ends in {kinds} "
                "and has words with times"
            )
        others = [str(recording) for recording in recordings if recording not in self._cues]
        if others:
            names = ", ".join([*others[:3], *(["…"] if len(others) > 3 else [])])
            self.missing = (
                f"--words {path}: {len(others)} of {len(recordings)} recordings have no words there: {names}"
            )

    def oddities(self, recording: str | Path, recognition: Recognition) -> Iterator[str]:
        """What is odd about the words of a recording, a sentence each, with the file that has them."""
        for code in (WORDS_BEYOND_END, WORDS_WITHOUT_SPEECH):
            if code in recognition.warnings and recording in self._files:
                yield f"--words {self._files[recording]}: {recording}: {WARNINGS[code]}"

    def options(self, recording: str | Path, options: Options) -> Options:
        """The options with the words of a recording, if there are any."""
        cues = self._cues.get(recording)
        return options if cues is None else replace(options, words=cues)


def _of(recording: str | Path, files: Mapping[str, Path]) -> Path | None:
    """The file of a recording's words among files by name in small letters: `call.wav.srt` before `call.srt`."""
    name = Path(recording)
    names = (f"{stem.lower()}{suffix}" for stem in (name.name, name.stem) for suffix in SUFFIXES)
    return next((files[name] for name in names if name in files), None)
