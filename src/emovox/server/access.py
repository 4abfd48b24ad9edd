"""Who may use the service: where requests carry their API key, and whose it is."""

from collections.abc import Callable
from typing import cast

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser

from emovox.server.problems import Problem

COOKIE = "emovox_key"


class Access:
    """Checks keys, where they are demanded.

    Attributes:
        needed: keys are demanded.
    """

    def __init__(self, check: Callable[[str], str | None] | None) -> None:
        """Demand keys, or none.

        Args:
            check: gives the id of a key, or None; no function: no keys are demanded.
        """
        self._check = check
        self.needed = check is not None

    def given(self, headers: Headers) -> str:
        """The key that a request carries, in a header or the session's cookie; empty: none."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
        return headers.get("x-api-key") or cookie_parser(headers.get("cookie", "")).get(COOKIE, "")

    def known(self, headers: Headers) -> str | None:
        """The id of the key that a request carries; None if it is none of ours."""
        key = self.given(headers)
        return self._check(key) if self._check is not None and key else None

    def demand(self, headers: Headers) -> str | None:
        """The id of the key, or None where no keys are demanded.

        Raises:
            Problem: 401, a key is needed.
        """
        key = self.known(headers)
        if self.needed and key is None:
            raise Problem(
                401,
                "key-needed",
                "send an API key as Authorization: Bearer KEY; `emovox keys add NAME` makes one",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return key


def access_of(request: HTTPConnection) -> Access:
    """The access of the service that a request came to."""
    return cast("Access", request.app.state.access)
