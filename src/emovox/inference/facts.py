"""Facts: what a result is made of, read-only and compared number by number."""

import numpy as np
from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """The base of everything in a result; fields of later versions are ignored."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    def __eq__(self, other: object) -> bool:
        """Equal in every field; arrays in every number, with NaN equal to NaN."""
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]  # scores and arrays can change


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return not (isinstance(one, np.ndarray) or isinstance(other, np.ndarray)) and one == other
