"""The OpenAPI document, and the service asked all that it allows and much that it doesn't."""

from pathlib import Path

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema

from emovox.recognition.recognition import json_schema
from support.service import Client


@pytest.fixture(scope="module")
def document(shared: Client, examples: list[Path]) -> BaseSchema:
    shared.post_file(examples[0])
    return schemathesis.openapi.from_url(f"{shared.base_url}/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@schema.exclude(path_regex="pull$").parametrize()
@hypothesis_settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
def test_the_service_keeps_to_its_document(case: Case, shared: Client) -> None:
    with requests.Session() as session:
        case.call_and_validate(session=session)


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
