"""What Label Studio's own SDK says of predictions: its checks are those of Label Studio."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from emovox.emotions import NAMES
from support.label_studios import LEGACY, label_studio
from support.service import serving

LABELS = "".join(f'<Label value="{name.title()}" alias="{name}"/>' for name in NAMES)
CONFIG = f"""<View><Labels name="emotion" toName="sound">{LABELS}</Labels><Audio name="sound" value="$audio"/>
<Choices name="whole" toName="sound"><Choice value="Sad"/><Choice value="Anger"/></Choices></View>"""


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("label_studio_sdk") is None and not os.environ.get("CI"),
    reason="needs tests/requirements-labelling.txt",
)
def test_predictions_are_valid(tmp_path: Path, examples: list[Path]) -> None:
    from label_studio_sdk.label_interface import LabelInterface  # noqa: PLC0415  that test's own dependency

    interface = LabelInterface(CONFIG)
    with (
        label_studio() as studio,
        serving(tmp_path / "outputs", label_studio_url=studio.url, label_studio_api_key=LEGACY) as service,
    ):
        studio.files = {f"/data/{path.name}": path.read_bytes() for path in examples}
        tasks = [{"id": number, "data": {"audio": place}} for number, place in enumerate(studio.files)]
        asked = {"tasks": tasks, "project": "3.1", "label_config": CONFIG}
        found = service.post("/v1/label-studio/predict", json=asked).json()["results"]
    assert [interface.validate_prediction(item, return_errors=True) for item in found] == [[]] * len(examples)
    assert {kind for item in found for kind in (part["type"] for part in item["result"])} == {"labels", "choices"}
    found[0]["result"][0]["value"]["labels"] = ["Furious"]
    assert not interface.validate_prediction(found[0])
