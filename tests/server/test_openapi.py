"""The OpenAPI document, and the service asked all that it allows and much that it doesn't."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from emovox.recognition.recognition import json_schema
from support.service import Client

EXCLUDED = [positive_data_acceptance, unsupported_method]
"""Random bytes fit the document and are no recording; other methods have tests of their own."""


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_service_keeps_to_its_document(shared: Client, examples: list[Path], mode: GenerationMode) -> None:
    """What the document allows is answered as it says, and what it doesn't allow is refused."""
    shared.post_file(examples[0])
    refusals = {
        "negative_data_rejection": {"expected-statuses": ["4xx", "5xx"]}
    }  # 413 too: a field may be too long
    config = schemathesis.Config.from_dict({"checks": refusals})
    document = schemathesis.openapi.from_url(f"{shared.base_url}/openapi.json", config=config)
    for result in document.exclude(path_regex="pull$").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        try:
            _keeps(operation, mode)
        except Unsatisfiable:  # an operation without parameters has nothing that could be wrong
            assert mode is GenerationMode.NEGATIVE


def _keeps(operation: Any, mode: GenerationMode) -> None:
    @given(data=st.data())
    @hypothesis_settings(
        max_examples=20,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
        derandomize=True,
    )
    def keeps(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        case.call_and_validate(excluded_checks=EXCLUDED)

    keeps()


def test_the_document_says_what_results_are(shared: Client) -> None:
    document = shared.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Recognition"]["required"] == json_schema()["required"]
    answer = document["paths"]["/v1/recognitions"]["post"]["responses"]["200"]["content"]["application/json"]
    jsonschema.validate(answer["example"], json_schema())
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_docs_for_people(shared: Client) -> None:
    page = shared.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in shared.get("/openapi.json").json()["paths"]:
        assert path in page.text
    assert "<script" not in page.text
    assert "//cdn" not in page.text
