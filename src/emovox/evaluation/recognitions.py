"""Recognitions of the recordings of a list, and why there are none."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from emovox.errors import AudioError, DecoderError, EmovoxError
from emovox.inference.recognition import NO_SPEECH, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from emovox.labels.value_list import Rated

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from emovox.inference.options import OptionArguments

Row = TypeVar("Row", Labelled, Rated)


def recognitions(
    rows: Sequence[Row],
    recognizer: Recognizer,
    begin: Callable[[str], None],
    **arguments: "Unpack[OptionArguments]",
) -> Iterator[tuple[Row, Recognition | str]]:
    """Each row with its recognition, or with the reason why it has none.

    Args:
        rows: of a list.
        recognizer: the model.
        begin: is told the name of each recording before its turn.
        **arguments: as of `Recognizer.recognize`.

    Raises:
        DecoderError: as `Recognizer.recognize`.
    """
    for row, following in zip_longest(rows, rows[1:]):
        begin(row.name)
        if following is not None:
            recognizer.expect(following.path)
        try:
            result = recognizer.recognize(row.path, **arguments)
        except DecoderError:  # not the recording's fault
            raise
        except EmovoxError as error:
            yield row, error.reason if isinstance(error, AudioError) else str(error)
            continue
        if "silence" in result.warnings:
            yield row, "silence"
        elif result.speech_only and NO_SPEECH in result.warnings:
            yield row, "no speech"
        else:
            yield row, result
