"""Addresses: where the service may send requests. Never a private one, however it is written."""

import asyncio
import ipaddress
import re
import socket
import threading
from contextlib import suppress

import httpx

from emovox.server.http.problems import invalid

# IANA's registries of special addresses, past entries included; Python's own lists differ between versions.
_SPECIAL = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's own, of each of its machines
        "2001::/23",  # Teredo among them
        "2001:db8::/32", "3fff::/20",
        "2002::/16",  # 6to4
    )
]  # fmt: skip
_UNICAST = ipaddress.IPv6Network("2000::/3")  # everything else leads to this network, to IPv4, or nowhere
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # how IPv4 looks to a machine that has only IPv6
_ISATAP = {0x00005EFE, 0x02005EFE}  # before the IPv4 address in the lower half
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class RefusedError(Exception):
    """Nothing may be sent to this address; the text says why."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet.

    Raises:
        ValueError: not an IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _MAPPED or ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _UNICAST or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
            return False
    return not any(ip in network for network in _SPECIAL)


def read_url(url: str, *, private: bool) -> httpx.URL:
    """Parse and check the URL of a webhook.

    Args:
        url: as the user gave it.
        private: whether it may be private.

    Raises:
        RefusedError: not a URL, or a private one. Names are looked up only when something is sent.
    """
    unclear = RefusedError("give a URL such as https://host/path")
    try:
        parts = httpx.URL(url if len(url) <= 2000 and url.isascii() and url.isprintable() else "")
    except httpx.InvalidURL:
        raise unclear from None
    host, port = parts.raw_host.decode("ascii"), parts.port
    if parts.scheme not in {"http", "https"} or parts.userinfo or not (port is None or 0 < port < 2**16):
        raise unclear
    try:
        public = is_public(host)
    except ValueError:  # a name
        if len(host) > 253 or not _NAME.fullmatch(host):
            raise unclear from None
        if _NUMBER.fullmatch(host.rpartition(".")[2]):  # 0x7f.1 and 2130706433 are addresses to some systems
            raise RefusedError("write the IP address as four numbers: https://192.0.2.1/path") from None
        public = host != "localhost" and not host.endswith(".localhost")
    if not public and not private:
        raise RefusedError("this address is private: set EMOVOX_WEBHOOK_PRIVATE to allow it")
    return parts


def check_url(url: str | None, *, private: bool) -> str | None:
    """Check a webhook's URL as a client gave it; an empty one is none.

    Raises:
        Problem: 422, nothing may be sent there.
    """
    try:
        if url:
            read_url(url, private=private)
    except RefusedError as error:
        raise invalid([{"field": "webhook", "reason": str(error)}]) from None
    return url or None


def look_up(host: str, port: int) -> "asyncio.Future[list[str]]":
    """The IP addresses of a name, in the order to try them; OSError if there are none.

    Each lookup has its own thread: some names take the system half a minute, and a thread can't be stopped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(addresses)
        else:
            future.set_exception(error)
            future.exception()  # marks it as retrieved: perhaps nobody waits any more

    def work() -> None:
        addresses: list[str] = []
        failure: OSError | None = None
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, ValueError) as error:  # ValueError: not a name that can be looked up
            failure = error if isinstance(error, OSError) else OSError(str(error))
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=work, name="look-up", daemon=True).start()
    return future
