"""Stored outputs that are recognised again: from the sound that they have, as the recording that they are of."""

from dataclasses import replace
from pathlib import Path

from emovox import files
from emovox.audio import quality
from emovox.audio.decoded import Decoded
from emovox.errors import OutputsError
from emovox.inference.options import Options
from emovox.inference.recognition import Recognition
from emovox.server.http.problems import invalid


def as_stored(stored: Recognition, sound: Path, decoded: Decoded, options: Options) -> tuple[Decoded, Options]:
    """The sound of stored outputs as that of their recording, so that a call stays one, and corrections stay its.

    Args:
        stored: what was recognised of it.
        sound: that the outputs have.
        decoded: what was sent, which must be that sound.
        options: of the recognition; side, purpose and consent are as before unless they say other.

    Raises:
        Problem: 422, it is another sound.
        OutputsError: the sound can't be read.
    """
    try:
        checksum = files.digest(sound)
    except OSError as error:
        raise OutputsError(f"{sound} can't be read: {error.strerror}") from error
    if decoded.sha256 != checksum:
        raise invalid([{"field": "again", "reason": f"the file is not the {sound.name} of these outputs"}])
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
    return decoded, replace(
        options,
        channel=decoded.asked_channel,
        side=options.side or (recording.side and (recording.side,)),
        purpose=options.purpose or recording.purpose,
        consent=options.consent or recording.consent,
    )
