import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.models.converted.store import StoredModel
from emovox.models.runtime.engine import Engine
from support import voxprofile_snapshots
from support.pages import resident

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


class Counting:
    """A request that notes how long the windows are."""

    def __init__(self, request: Any) -> None:
        self._request, self.seconds = request, list[float]()

    def infer(self, inputs: dict[str, Any]) -> None:
        self.seconds.append(inputs["waveform"].shape[1] / 16_000)
        self._request.infer(inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def test_weights_are_packed_by_a_short_run_only_before_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    snapshot = voxprofile_snapshots.write(tmp_path / "snapshot")
    stored = StoredModel(snapshot, name="tiny", revision="1", licence="none")
    path = stored.file("fp32")
    for windows, seconds in (([1, 8], [1, 8]), ([8, 8], [1, 8, 8])):
        engine = Engine(path, engine="openvino", threads=1)
        engine._session._request = request = Counting(engine._session._request)  # type: ignore[attr-defined]
        engine.run([np.zeros(windows[0] * 16_000, np.float32)])
        if sys.platform.startswith("linux"):
            assert resident(path.with_name("model.onnx.data").resolve()) == 0
        engine.run([np.zeros(windows[1] * 16_000, np.float32)])
        assert request.seconds == seconds
    if sys.platform.startswith("linux"):
        assert resident(stored.snapshot.weights.resolve()) == 0
