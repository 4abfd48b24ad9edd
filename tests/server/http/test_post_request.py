import asyncio
import socket
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emovox.server.http.post_request import PostError, post
from support.receivers import Receiver, answers, continues, longwinded, receiving, speaks_otherwise

NAME = "receiver.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of NAME, signed by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def send(url: str, *addresses: str, tls: ssl.SSLContext | None = None) -> int:
    context = tls or ssl.create_default_context()
    return asyncio.run(post(httpx.URL(url), addresses, b"{}", {"X-One": "1"}, patience=5, tls=context))


def test_the_request_is_http() -> None:
    with receiving(answers("204 No content")) as receiver:
        assert send(f"http://{NAME}:{receiver.port}/a%20b?c=d#e", "127.0.0.1") == 204
        [(head, body)] = receiver.requests
    assert head.splitlines() == [
        "POST /a%20b?c=d HTTP/1.1",
        f"Host: {NAME}:{receiver.port}",
        "Content-Length: 2",
        "Connection: close",
        "X-One: 1",
    ]
    assert body == b"{}"


def test_ipv6() -> None:
    with receiving(answers("200"), host="::1") as receiver:
        assert send(receiver.url, "::1") == 200
        assert f"Host: [::1]:{receiver.port}" in receiver.requests[0][0]


def test_an_interim_answer_is_waited_out() -> None:
    def behave(receiver: Receiver, connection: socket.socket) -> None:
        receiver.send(connection, b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\nHTTP/1.1 202 OK\r\n\r\n")

    with receiving(behave) as receiver:
        assert send(receiver.url, "127.0.0.1") == 202


@pytest.mark.parametrize("behave", [longwinded, continues, speaks_otherwise, lambda *_: None])
def test_what_is_no_answer(behave: object) -> None:
    with receiving(behave) as receiver, pytest.raises(PostError):  # type: ignore[arg-type]
        send(receiver.url, "127.0.0.1")


def test_nobody_is_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            send(f"http://{NAME}:{bound.getsockname()[1]}/", "127.0.0.1")
    with pytest.raises(OSError, match="no address"):
        send("http://receiver.example/")


def test_a_certificate_must_have_the_name(certificate: Path) -> None:
    names: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda _, name, __: names.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with receiving(answers("204 No content"), tls=server) as receiver:
        port = receiver.port
        assert send(f"https://{NAME}:{port}/", "127.0.0.1", tls=trusting) == 204
        with pytest.raises(ssl.SSLCertVerificationError):
            send(f"https://other.example:{port}/", "127.0.0.1", tls=trusting)
        with pytest.raises(ssl.SSLCertVerificationError):
            send(f"https://{NAME}:{port}/", "127.0.0.1")
        assert names == [NAME, "other.example", NAME]
