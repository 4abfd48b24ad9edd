"""The OpenAPI document, and the service asked all that it allows and much that it doesn't."""

import itertools
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import jsonschema
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox.inference.recognition import json_schema
from support.hostile import HEADERS, LENGTHS, TEXTS, VALUES
from support.service import Client, serving


@dataclass
class Filled:
    """A service with something of everything in it.

    Attributes:
        ids: what `id_` may be, by the second part of the path.
    """

    client: Client
    content: bytes
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, template: str, **values: str) -> str:
        """A path with its parameters filled in."""
        kind = template.split("/")[2] if template.count("/") > 1 else ""
        given = {"id_": self.ids.get(kind, ""), "tag": "complaint", "name": "result.json", "number": "0", **values}
        if kind == "examples":
            given["name"] = values.get("name", "emodb_03b01Wa_angry.flac")
        return re.sub(r"\{(\w+)\}", lambda match: given.get(match[1], "none"), template)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Iterator[Filled]:
    content = examples[0].read_bytes()
    with serving(tmp_path_factory.mktemp("openapi") / "outputs") as client:
        output = client.post("/v1/recognitions?granularity=frame&segments=true", content=content).headers[
            "location"
        ]
        client.put(f"{output}/tags/complaint")
        later = {"Prefer": "respond-async"}
        job = client.post("/v1/recognitions?store=false", content=content, headers=later).json()
        batch = client.post("/v1/batches", files=[("file", ("a", content))]).json()
        for each in (job["id"], batch["jobs"][0]["id"]):
            client.finished(each)
        ids = {"outputs": output.rpartition("/")[2], "jobs": job["id"], "batches": batch["id"]}
        yield Filled(client, content, ids)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each, but for the one that downloads and those that only stream."""
    for path, methods in document["paths"].items():
        if not path.endswith(("/pull", "/events")):
            for method, operation in methods.items():
                yield method.upper(), path, operation


def check(answer: httpx.Response, asked: object) -> None:
    """No error is the service's own, and each is a problem."""
    assert answer.status_code < 500, (asked, answer.text)
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json", (asked, answer.text)
        assert set(answer.json()) >= {"type", "title", "status", "detail"}


def test_the_service_keeps_to_its_document(filled: Filled, tmp_path: Path) -> None:
    """What the document allows is answered as it says, and what it doesn't allow is refused."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(SCHEMATHESIS.format(**filled.ids), encoding="utf-8")
    address = f"{filled.client.base_url}/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", address]
    command += ["--exclude-path-regex", "pull$|events$"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in run.stdout, run.stdout


SCHEMATHESIS = """
seed = 1
color = false
suppress-health-check = ["all"]
[checks.negative_data_rejection]
expected-statuses = ["4xx", "5xx"]   # 413 too: a field may be too long
[checks.positive_data_acceptance]
enabled = false                      # random bytes fit the document and are no recording
[generation]
max-examples = 8
deterministic = true
database = "none"
no-shrink = true
[dictionaries]
outputs = {{ values = ["{outputs}"] }}
jobs = {{ values = ["{jobs}"] }}
batches = {{ values = ["{batches}"] }}
[[operations]]
include-path-regex = "^/v1/outputs/"
exclude-method = "DELETE"
parameters = {{ "path.id_" = {{ dictionary = "outputs", probability = 0.7 }} }}
[[operations]]
include-path-regex = "^/v1/jobs/"
parameters = {{ "path.id_" = {{ dictionary = "jobs", probability = 0.7 }} }}
checks.use_after_free.enabled = false  # DELETE cancels it, and it is still there
[[operations]]
include-path-regex = "^/v1/batches/"
parameters = {{ "path.id_" = {{ dictionary = "batches", probability = 0.7 }} }}
checks.use_after_free.enabled = false  # likewise
"""


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_hostile_values_in_every_parameter(filled: Filled, share: int) -> None:
    """Every fourth value in each, another fourth in the next; all of them in the slow one."""
    client, turns = filled.client, itertools.cycle(range(share))
    for method, path, operation in operations(client.get("/openapi.json").json()):
        if method == "DELETE":
            continue  # what there is, others need
        content = filled.content[:500] if "requestBody" in operation else None
        for parameter in operation.get("parameters", []):
            for value in VALUES[next(turns) :: share]:
                text = quote_from_bytes(value, safe="")
                if parameter["in"] == "query":
                    asked = f"{filled.path(path)}?{parameter['name']}={text}"
                else:
                    asked = filled.path(path, **{parameter["name"]: text or "-"})
                check(client.request(method, asked, content=content), (method, asked[:300]))


def test_hostile_fields_of_forms(filled: Filled) -> None:
    client, chance = filled.client, random.Random(1)
    document = client.get("/openapi.json").json()
    for path in ("/v1/recognitions", "/v1/batches", "/v1/baselines"):
        schema = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        for name in [*schema["properties"], "unknown", "x\0y"]:
            for value in VALUES if name != "file" else []:
                files = [("file", ("x", filled.content[:500])), (name, (None, value))]
                chance.shuffle(files)
                check(client.post(path, files=files), (path, name, value[:50]))
        for name in TEXTS:
            check(client.post(path, files=[("file", (name, filled.content[:500]))]), (path, "filename", name[:50]))


@pytest.mark.slow
def test_hostile_headers(filled: Filled) -> None:
    client = filled.client
    for method, path, operation in operations(client.get("/openapi.json").json()):
        if method == "DELETE":
            continue
        content = filled.content[:500] if "requestBody" in operation else None
        for name, values in HEADERS.items():
            for value in values:
                given = {name.encode(): value}
                check(
                    client.request(method, filled.path(path), headers=given, content=content),
                    (method, path, given),
                )


NAMES = [name for name in HEADERS if name != "Content-Type"]
LETTERS = [*range(0x21, 0x7F), *range(0x80, 0x100)]  # that a header may have
VALUE = st.one_of(
    st.sampled_from([value for values in HEADERS.values() for value in values]),
    st.lists(st.sampled_from(LETTERS), max_size=30).map(bytes),
)


@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=4), chance=st.randoms())
@hypothesis_settings(
    max_examples=200, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_headers_together(filled: Filled, headers: dict[str, bytes], chance: random.Random) -> None:
    output = f"/v1/outputs/{filled.ids['outputs']}"
    path = chance.choice(
        ["/", "/v1/session", "/v1/emotions", output, f"{output}/files/result.json", f"{output}/zip"]
    )
    given_headers = [(name.encode(), value) for name, value in headers.items()]
    check(filled.client.get(path, headers=given_headers), (path, headers))


@pytest.mark.parametrize("length", LENGTHS)
def test_hostile_lengths(filled: Filled, length: bytes) -> None:
    for path in (b"/v1/recognitions", b"/v1/batches", b"/v1/session", b"/healthz"):
        head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        answer = filled.client.talk(head + b"Content-Length: " + length + b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] < 500


def test_the_document_says_what_results_are(shared: Client) -> None:
    document = shared.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Recognition"]["required"] == json_schema()["required"]
    answer = document["paths"]["/v1/recognitions"]["post"]["responses"]["200"]["content"]["application/json"]
    assert {"emotions", "classes", "values"} <= answer["examples"].keys()
    for example in answer["examples"].values():
        jsonschema.validate(example["value"], json_schema())
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
