"""The first pass of a batch relative to all its recordings: what each came to, kept until all are known."""

from typing import Any

from emovox.inference.state import RunState


def state_row(
    path: str, state: RunState, *, outputs: str | None = None, link: str | None = None
) -> dict[str, Any]:
    """The state of a run as a row of `FIRST_PASS`.

    Args:
        path: of the recording.
        state: of its run.
        outputs: its outputs directory's name.
        link: where the recording is, for the archive.
    """
    facts = state.facts
    return {
        "path": path,
        "sha256": facts.sha256,
        "duration": facts.duration,
        "channel": facts.channel,
        "created_at": state.created_at,
        "speech": state.speech,
        "state": state.to_bytes(),
        "outputs": outputs,
        "link": link,
        "same": False,
    }
