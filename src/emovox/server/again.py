"""Stored outputs that are recognised again: from the sound that they have, as the recording that they are of."""

from dataclasses import replace

from emovox import files
from emovox.audio import quality
from emovox.audio.decoded import Decoded
from emovox.errors import OutputsError
from emovox.inference.options import Options
from emovox.outputs import AUDIO
from emovox.server.http.problems import Problem, invalid
from emovox.server.stored_outputs import StoredOutputs
from emovox.words import Cue


def as_stored(
    outputs: StoredOutputs, id_: str | None, decoded: Decoded, options: Options
) -> tuple[Decoded, Options, list[Cue]]:
    """The sound of stored outputs as that of their recording, so that a call stays one, and corrections stay its.

    Args:
        outputs: all that are stored.
        id_: of those that are recognised again; None: nothing is, and all stays as it is.
        decoded: what was sent, which must be their sound.
        options: of the recognition; side, purpose and consent are as before unless they say other.

    Returns:
        The recording, what is asked of it, and its lines of text.

    Raises:
        Problem: 422, there are no such outputs, they have no sound, or it is another.
        OutputsError: their sound can't be read.
    """
    if id_ is None:
        return decoded, options, []
    try:
        stored = outputs.recognition(id_, "lines")
    except Problem as error:
        reason = "there are no such outputs" if error.status == 404 else error.detail
        raise invalid([{"field": "again", "reason": reason}]) from error
    sound = outputs.directory(id_) / AUDIO
    try:
        checksum = files.digest(sound)
    except FileNotFoundError as error:
        raise invalid([{"field": "again", "reason": "these outputs have no sound"}]) from error
    except OSError as error:
        raise OutputsError(f"{sound} can't be read: {error.strerror}") from error
    if decoded.sha256 != checksum:
        raise invalid([{"field": "again", "reason": f"the file is not the {AUDIO} of these outputs"}])
    recording, codes = stored.recording, {*stored.warnings, *decoded.warnings}
    decoded = replace(
        decoded,
        name=recording.name,
        sha256=recording.sha256,
        sample_rate=recording.sample_rate,
        channels=recording.channels,
        channel=recording.channel,
        track=recording.track,
        tracks=tuple(recording.tracks or ()),
        codec=recording.codec,
        warnings=tuple(code for code in quality.WARNINGS if code in codes),
    )
    options = replace(
        options,
        channel=decoded.asked_channel,
        side=options.side or (recording.side and (recording.side,)),
        purpose=options.purpose or recording.purpose,
        consent=options.consent or recording.consent,
    )
    return decoded, options, [Cue(line.start, line.end, line.text) for line in stored.lines or ()]
