from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parse

from support.service import Client
from support.waiting import until


def values(client: Client) -> dict[str, float]:
    families = parse(client.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_inference_is_measured(shared: Client, examples: list[Path]) -> None:
    before = values(shared)
    duration = shared.post_file(examples[0]).json()["recording"]["duration"]
    # noted a moment after the answer
    until(lambda: values(shared)["emovox_audio_seconds_total"] >= before["emovox_audio_seconds_total"] + duration)
    after = values(shared)
    assert after["emovox_inference_seconds_total"] > before["emovox_inference_seconds_total"]
    assert after["emovox_queue_length"] == 0
