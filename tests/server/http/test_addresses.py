import asyncio
import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.server.http.addresses import check_url, is_public, look_up
from emovox.server.http.problems import Problem

PRIVATE = ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
           "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"]  # fmt: skip


def inside(network: str) -> st.SearchStrategy[ipaddress.IPv4Address]:
    found = ipaddress.IPv4Network(network)
    return st.integers(int(found[0]), int(found[-1])).map(ipaddress.IPv4Address)


private = st.sampled_from(PRIVATE).flatmap(inside)
public = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address).filter(lambda address: is_public(str(address)))


def in_ipv6(prefix: str, address: ipaddress.IPv4Address, shift: int = 0) -> str:
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address) << shift))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
        "0.1.2.3", "100.64.0.1", "100.100.100.200", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "192.88.99.1", "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378::",
        "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1", "ff02::1", "2a00:1450::5efe:7f00:1",
        "2a00:1450::200:5efe:a00:1",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "99.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700:4700::1111"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@given(private)
def test_a_private_address_in_any_form(address: ipaddress.IPv4Address) -> None:
    packed = int(address)
    forms = [
        str(address),
        *(
            in_ipv6(prefix, address)
            for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:fffe::",
                           "2a00::5efe:0:0", "2a00::200:5efe:0:0", "fec0::", "2001::")
        ),
        in_ipv6("2002::", address, 80),
    ]  # fmt: skip
    assert [form for form in forms if is_public(form)] == []
    hosts = [form if form.count(":") == 0 else f"[{form}]" for form in forms]
    hosts += [str(packed), hex(packed), f"0{packed:o}", f"0x{packed >> 24:x}.{packed & 0xFFFFFF}"]
    hosts += [f"{address}.", f"{packed >> 24}.{packed >> 16 & 255}.{packed & 0xFFFF}", f"0{address}"]
    hosts += ["".join(f"%{ord(letter):02x}" for letter in str(address))]
    for host in hosts:
        for scheme in ("http", "HTTPS"):
            with pytest.raises(Problem):
                check_url(f"{scheme}://{host}:8080/x", private=False)


@given(public)
def test_a_public_address_where_it_is_one(address: ipaddress.IPv4Address) -> None:
    assert is_public(in_ipv6("::ffff:0:0", address))
    assert is_public(in_ipv6("64:ff9b::", address))
    for prefix in ("::", "64:ff9b:1::", "fec0::", "2001::"):
        assert not is_public(in_ipv6(prefix, address))
    assert check_url(f"https://{address}/", private=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/", "//a.example", "a.example", "http://", "http:///x", "http://user@a.example/",
        "http://:word@a.example/", "http://127.0.0.1\\@a.example/", "http://a.example:99999/",
        "http://a.example:0/", "https://a.example:000/", "http://a.example:-1/", "http://é.example/",
        "http://a.example/\n", "javascript:x",
        "http://a.example./", "http://a..example/", "http://.example/", "http://-a.example/", "http://a b/",
        "http://%6c%6fcalhost/", "http://localhost/", "http://localhost./", "http://LOCALHOST:1/",
        "http://x.localhost/",
        "http://x.localhost./", "http://[::1]/", "http://[::1%25lo]/", "http://[v1.x]/", "http://10.1.2.3/",
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/",
        "http://a.0x1/", "http://127.0.0.1./", "http://１２７.0.0.1/", "http://256.256.256.256/",
        "http://a.example/" + "x" * 2000, "http://" + "a." * 127 + "example/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Problem) as caught:
        check_url(url, private=False)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "url",
    ["https://a.example:8443/x?y=z@w", "http://a_b.example/", "http://1and1.example", "http://xn--9ca.example/"],
)
def test_addresses_that_are_fine(url: str) -> None:
    assert check_url(url, private=False) == url


def test_addresses_of_this_network_where_they_may_be() -> None:
    for url in ("http://10.1.2.3/", "http://localhost:1/", "http://[::1]:8080/", "http://intranet/hook"):
        assert check_url(url, private=True) == url
    for url in ("http://2130706433/", "http://10.1.2.3:0/"):
        with pytest.raises(Problem):
            check_url(url, private=True)
    assert check_url(None, private=False) is None
    assert check_url("", private=False) is None


def test_a_look_up_that_takes_long_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        release.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def ask() -> None:
        look = look_up("a.example", 443)
        assert await asyncio.to_thread(asked.wait)  # and the loop goes on
        assert not look.done()
        release.set()
        with pytest.raises(socket.gaierror):
            await look

    asyncio.run(ask())


def test_a_look_up_that_outlives_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait() and [])

    async def ask() -> None:
        look_up("a.example", 443)

    asyncio.run(ask())
    [thread] = [thread for thread in threading.enumerate() if thread.name == "look-up"]
    release.set()
    thread.join()  # an exception in it would be a warning, and so an error
