from pathlib import Path

import pytest

session = pytest.importorskip("emovox.models.runtime.openvino_session")


@pytest.mark.parametrize(
    ("cpuinfo", "pays"),
    [
        ("vendor_id\t: GenuineIntel\nflags\t\t: avx512f avx512_bf16\n", False),
        ("vendor_id\t: GenuineIntel\nflags\t\t: avx512f avx512_bf16 amx_bf16 amx_tile\n", True),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: avx512f avx512_bf16\n", True),
        (None, True),
    ],
)
def test_where_bf16_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str | None, pays: bool) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    monkeypatch.setattr(session, "has_bf16", lambda: True)
    assert session.bf16_pays(tmp_path / "cpuinfo") is pays
    monkeypatch.setattr(session, "has_bf16", lambda: False)
    assert not session.bf16_pays(tmp_path / "cpuinfo")
