"""Recognitions of the recordings of a list, and why there are none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from emovox.baselines.corpus import Corpus, CorpusBaselines
from emovox.errors import AudioError, DecoderError, EmovoxError, PolicyError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import NO_SPEECH, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.splitting import finish
from emovox.inference.state import RunState
from emovox.labels.label_list import Labelled
from emovox.labels.stretches import sound_of
from emovox.labels.value_list import Rated
from emovox.notes import listed_notes
from emovox.policy import listed_sides

if TYPE_CHECKING:
    from emovox.inference.options import StateSink

Row = TypeVar("Row", Labelled, Rated)
SOURCE = "all recordings of a list that was evaluated"


def recognitions(
    rows: Sequence[Row],
    recognizer: Recognizer,
    begin: Callable[[str], None],
    options: Options,
    state_sink: "StateSink | None" = None,
) -> Iterator[tuple[Row, Recognition | str]]:
    """Each row with its recognition, or with the reason why it has none.

    Args:
        rows: of a list.
        recognizer: the model.
        begin: is told the name of each recording before its turn.
        options: of the recognitions.
        state_sink: as of `Request`.

    Raises:
        DecoderError: as `Recognizer.recognize`.
    """
    for row, following in zip_longest(rows, rows[1:]):
        begin(row.name)
        if following is not None and following.span is None:
            recognizer.expect(following.path)
        try:
            sides, notes = listed_sides(row.groups, recognizer.policy), listed_notes(row.groups)
            sound = sound_of(row)
        except (PolicyError, AudioError) as error:
            yield row, error.reason if isinstance(error, AudioError) else str(error)
            continue
        row_options = replace(options if sides is None else replace(options, side=sides), **notes)
        [result] = recognizer.recognize_together([Request(sound, row_options, state_sink=state_sink)])
        if isinstance(result, DecoderError):  # not the recording's fault
            raise result
        if isinstance(result, EmovoxError):
            yield row, result.reason if isinstance(result, AudioError) else str(result)
        elif not result.is_inferred:
            yield row, f"of a {result.recording.side}'s voice the policy allows talk time alone"
        elif "silence" in result.warnings:
            yield row, "silence"
        elif result.speech_only and NO_SPEECH in result.warnings:
            yield row, "no speech"
        else:
            yield row, result


def relative_recognitions(
    rows: Sequence[Row],
    recognizer: Recognizer,
    begin: Callable[[str], None],
    options: Options,
    speaker: Callable[[Row], str],
) -> tuple[list[tuple[Row, Recognition | str]], CorpusBaselines]:
    """The same relative to all of these recordings, or to those of each speaker; labels aren't looked at.

    Args:
        rows: as of `recognitions`, and the arguments after it.
        recognizer: likewise.
        begin: likewise.
        options: likewise; the baseline is `corpus` or `speaker`.
        speaker: whose recording a row is; "": it isn't known, or doesn't matter.

    Raises:
        BaselineError: nothing of this model can be moved, or none of the recordings has speech.
        DecoderError: as `Recognizer.recognize`.
    """
    shifting, metadata = recognizer.shifting(options), recognizer.metadata
    corpus, states = Corpus(metadata), list[RunState]()
    first: list[tuple[Row, Recognition | str, RunState | None]] = []
    for row, result in recognitions(rows, recognizer, begin, options, states.append):
        state = states.pop() if states else None
        if state is not None and state.speech is not None:
            corpus.add(state.speech, state.facts.sha256, speaker=speaker(row))
        first.append((row, result, state))
    baselines = corpus.baselines(SOURCE)
    classes, model, functions = recognizer.classes(options.emotions), recognizer.model, recognizer.functions

    def second(row: Row, state: RunState) -> Recognition:
        shift = shifting(baselines.of(speaker(row)))
        return finish(state, options, metadata, functions, classes, model, shift, recognizer.policy)

    return [
        (row, result if isinstance(result, str) or state is None else second(row, state))
        for row, result, state in first
    ], baselines
