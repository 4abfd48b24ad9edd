"""Downloads: what stored outputs are called where people keep them, by their recording."""

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

LONGEST = 150
"""Bytes of a recording's name in UTF-8: with what follows it most file systems take 255."""
_SUFFIX = re.compile(r"\.(?=\w*[a-z])\w{2,5}$", re.IGNORECASE | re.ASCII)
_CHANNEL = re.compile(r"(.*)(_channel[0-9]{1,2})(\..*)", re.DOTALL)
_RESERVED = re.compile(r'[<>:"/\\|?*\s]+')  # on some system
_JOINER = "\u200d"  # of emoji


def download_name(recording: str | None, channel: int | None, id_: str, file: str) -> str:
    """What a file of outputs is called: `call_channel1_report.html`.

    Args:
        recording: its name; paths and suffix are left out.
        channel: that was recognised by itself.
        id_: of the outputs, which stands for a name that there isn't.
        file: its name among the outputs; a channel in it is not repeated.
    """
    prefix = _prefix(recording, channel)
    if prefix is None:
        return f"{id_}_{file}"
    if channel is not None:
        file = _CHANNEL.sub(r"\1\3", file)
    return f"{prefix}_{file}"


def zip_name(recording: str | None, channel: int | None, id_: str) -> str:
    """What the zip of all files is called; likewise."""
    return f"{_prefix(recording, channel) or id_}.zip"


def disposition(kind: Literal["inline", "attachment"], name: str, plain: str) -> str:
    """Content-Disposition by RFC 6266.

    Args:
        kind: whether it is shown or saved.
        name: of the file, in any script, by RFC 8187.
        plain: in ASCII, for clients that can't read others.
    """
    if name.isascii() and "%" not in name:  # which some would decode
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _prefix(recording: str | None, channel: int | None) -> str | None:
    name = _SUFFIX.sub("", re.split(r"[/\\]", recording or "")[-1])
    name = "".join(char if char == _JOINER or _is_seen(char) else " " for char in name)
    name = _RESERVED.sub(" ", name).lstrip(" .-~")  # hidden, an option, a home
    # Cut within a sequence of emoji, it would end with what joins them.
    name = name.encode()[:LONGEST].decode(errors="ignore").rstrip(f" .{_JOINER}")
    if not name:
        return None
    return name if channel is None else f"{name}_channel{channel}"


def _is_seen(char: str) -> bool:
    """Whether it is text: no control, no mark of direction, no half of a pair."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
