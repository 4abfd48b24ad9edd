"""The documentation: a plain page made from the OpenAPI document, without scripts or anybody else's servers."""

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1a1a1a } a { color: #8ab4f8 } }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { overflow-x: auto; padding: .5rem; border: 1px solid #8888 }
h2 { margin-top: 2.5rem } h3 { margin-bottom: 0 }
td { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0 }
details { margin: .5rem 0 }
"""


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """The API, for people."""
    document: dict[str, Any] = request.app.openapi()
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sections.setdefault(operation.get("tags", ["other"])[0], []).append(
                _operation(path, method, operation)
            )
    body = [f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}</h1>"]
    body.append(f"<pre>{escape(document['info']['description'])}</pre>")
    body.append('<p>For programs: <a href="/openapi.json">openapi.json</a></p>')
    for name, parts in sections.items():
        body += [f"<h2>{escape(name)}</h2>", *parts]
    body.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        shown = escape(json.dumps(schema, ensure_ascii=False, indent=2))
        body.append(
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<pre>{shown}</pre></details>"
        )
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Emovox API</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(operation.get('description', ''))}</p>"
    ]
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{item['in']}</td>"
        f"<td>{escape(item.get('description') or item['schema'].get('description') or '')}</td></tr>"
        for item in operation.get("parameters", [])
    )
    if rows:
        parts.append(f"<details><summary>Parameters</summary><table>{rows}</table></details>")
    if "requestBody" in operation:
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in operation["requestBody"]["content"])
        parts.append(f"<p>Body: {kinds}</p>")
    answers = []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        examples = [example for item in content.values() for example in item.get("examples", {}).values()]
        shown = "".join(
            f"<p>{escape(example['summary'])}</p>"
            f"<pre>{escape(json.dumps(example['value'], ensure_ascii=False, indent=2))}</pre>"
            for example in examples
        )
        kinds = ", ".join(escape(kind) for kind in content)
        answers.append(f"<tr><td>{status}</td><td>{escape(answer['description'])} {kinds}{shown}</td></tr>")
    parts.append(f"<details><summary>Answers</summary><table>{''.join(answers)}</table></details>")
    return "".join(parts)
