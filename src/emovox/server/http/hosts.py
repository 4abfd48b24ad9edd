"""Hosts: the names in `Host` headers, and which are this machine's own."""

import ipaddress


def host_name(header: str) -> str:
    """The name in a `Host` header, lower case, without the port."""
    if header.startswith("["):
        return header.partition("]")[0].removeprefix("[").lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
