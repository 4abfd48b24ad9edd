"""Dates and times as query parameters."""

from datetime import datetime, timezone
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def _no_number(value: object) -> object:
    """Refuse a number, which could be seconds or milliseconds."""
    try:
        float(str(value))
    except ValueError:
        return value
    raise ValueError("write 2026-11-23 or 2026-11-23T14:30:00Z")


def _zoned(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo else value.replace(tzinfo=timezone.utc)


DateTime = Annotated[datetime | None, BeforeValidator(_no_number), AfterValidator(_zoned)]
"""A time in its own zone, or else in UTC."""
