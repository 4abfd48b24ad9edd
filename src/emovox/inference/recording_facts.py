"""What a result says of the recording."""

from typing import Any, cast

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from emovox.inference.facts import Facts
from emovox.inference.nine import is_none
from emovox.notes import NOTES, Notes
from emovox.policy import Side


class RecordingFacts(Facts):
    """The recording, as a result states it."""

    name: str | None = Field(description="file name; null for bytes and arrays without one")
    sha256: str = Field(
        description="checksum of the file, or of an array's bytes with its type, shape and sample rate"
    )
    duration: float = Field(description="seconds of sound decoded", ge=0)
    sample_rate: int = Field(description="the recording's own, Hz", gt=0)
    channels: int = Field(description="the recording's own; the model gets their mean", gt=0)
    channel: int | None = Field(
        None, description="the one that was recognised alone, from 1; null: all of them", ge=1
    )
    track: int | None = Field(
        None, description="the audio track that was recognised, from 1; left out if there is only one", ge=1
    )
    tracks: list[str] | None = Field(
        None, description="languages and titles of its audio tracks; left out if there is only one"
    )
    codec: str | None = Field(description="FFmpeg's name of the codec; null for an array")
    speech: float | None = Field(None, description="seconds of speech found", ge=0)
    side: Side | None = Field(
        None,
        description="whose voice it is, as was declared; left out if nobody said",
        exclude_if=is_none,
    )
    purpose: str | None = Field(
        None,
        description="what it was recognised for, as was declared; left out if nobody said",
        exclude_if=is_none,
    )
    consent: str | None = Field(
        None, description="where the consent is kept, as was declared; left out if nobody said", exclude_if=is_none
    )

    @property
    def notes(self) -> Notes:
        """Purpose and consent, as far as they were declared."""
        return cast("Notes", {name: text for name in NOTES if (text := getattr(self, name)) is not None})

    @model_serializer(mode="wrap")
    def _without_tracks(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if value is not None or key not in {"track", "tracks"}}
