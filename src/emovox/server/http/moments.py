"""Moments: times that clients say in words."""

from datetime import datetime, timezone
from typing import Annotated

from pydantic import BeforeValidator


def _no_number(value: object) -> object:
    """A number could be seconds or milliseconds."""
    try:
        float(str(value))
    except ValueError:
        return value
    raise ValueError("write 2026-11-23 or 2026-11-23T14:30:00Z")


Moment = Annotated[datetime | None, BeforeValidator(_no_number)]


def zoned(moment: datetime | None) -> datetime | None:
    """A moment in its own zone, or else in UTC."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=timezone.utc)
