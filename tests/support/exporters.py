"""An export that fails."""

from typing import BinaryIO

import pytest

from emovox.exports import EXPORTERS, Exporter, ExportInput


def break_format(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Let a format's writers fail halfway, or add one whose writer of segments does."""

    def write(_: ExportInput, file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    exporter = Exporter("Bad", "fails", f".{name}", "text/plain", {"segments": write})
    monkeypatch.setitem(EXPORTERS._built_in, name, exporter)
