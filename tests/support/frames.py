"""WebSocket by hand, for what no client's library does."""

import struct

HANDSHAKE = (
    b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OPENING = b"GET /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"
TEXT, BINARY, PING = 1, 2, 9


def frame(kind: int, data: bytes) -> bytes:
    """A whole message, masked by nothing."""
    size = len(data)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 2**16:
        length = bytes([0x80 | 126]) + struct.pack("!H", size)
    else:
        length = bytes([0x80 | 127]) + struct.pack("!Q", size)
    return bytes([0x80 | kind]) + length + bytes(4) + data
