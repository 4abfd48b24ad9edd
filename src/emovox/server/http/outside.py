"""The only services that the user names and Emovox asks: a transcriber, a Label Studio.

Proxies of the environment aren't used, and redirections aren't followed: nothing goes to any other address.
"""

import httpx

from emovox.errors import SettingsError
from emovox.server.http.addresses import RefusedError, read_url

_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)  # httpx's own


def address_of(setting: str, url: str, example: str) -> httpx.URL:
    """The address in a setting; it may be a private one.

    Raises:
        SettingsError: it is none, or has a key in it.
    """
    try:
        return read_url(url, private=True)
    except RefusedError as error:
        raise SettingsError(f"setting {setting}: give a URL without a key in it, such as {example}") from error


def check_key(setting: str, key: str) -> None:
    """See whether the key in a setting can be sent; empty means that there is none.

    Raises:
        SettingsError: it can't.
    """
    if not key.isascii() or not key.isprintable() or " " in key:  # an error about a header would have it in words
        raise SettingsError(f"setting {setting}: a key is printable ASCII without blanks")


def client(timeout: httpx.Timeout, limits: httpx.Limits = _LIMITS) -> httpx.AsyncClient:
    """A client that asks nobody but whom it is told to ask."""
    return httpx.AsyncClient(
        headers={"User-Agent": "Emovox"},
        timeout=timeout,
        limits=limits,
        verify=httpx.create_ssl_context(),
        trust_env=False,
    )
