"""How webhooks are signed: `t=SECONDS,v1=HMAC-SHA256(secret, "SECONDS." + body)`, in hexadecimal."""

import hashlib
import hmac

SIGNATURE = "X-Emovox-Signature"


def sign(secret: str, moment: str, body: bytes) -> str:
    """The signature of a body sent at a moment (seconds since 1970)."""
    mac = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"
