"""The OpenAPI document: what FastAPI derives from the routes, and what it can't know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from emovox.inference.recognition import Recognition
from emovox.server.http.problems import ProblemDetails
from emovox.server.options import BatchOptions, RecognitionOptions, parameters

RECOGNITION = {"$ref": "#/components/schemas/Recognition"}
_EXAMPLE = {
    "emotion": "angry",
    "confidence": 0.98,
    "scores": {
        "angry": 0.98, "disgusted": 0.01, "fearful": 0.0, "happy": 0.01, "neutral": 0.0, "other": 0.0, "sad": 0.0,
        "surprised": 0.0, "unknown": 0.0,
    },
    "granularity": "utterance",
    "timestamp": "2026-11-23 03:39:08",
    "schema": 2,
    "created_at": "2026-11-23T03:39:08.163532Z",
    "recording": {
        "name": "call.flac", "sha256": "6143" + "0" * 60, "duration": 2.18, "sample_rate": 16000, "channels": 1,
        "channel": None, "codec": "flac", "speech": 1.9,
    },
    "model": {"name": "lite", "revision": "5", "precision": "int8", "checksum": "a60f" + "0" * 60},
    "emovox": "0.2.0",
    "warnings": [],
    "readouts": {},
}  # fmt: skip
_REST = {key: value for key, value in _EXAMPLE.items() if key not in {"emotion", "confidence", "scores"}}
EXAMPLES = {
    "emotions": {"summary": "a model of the nine emotions", "value": _EXAMPLE},
    "classes": {
        "summary": "a model with classes of its own, from which the nine don't follow",
        "value": {
            **_REST,
            "readouts": {
                "emotion": {
                    "kind": "linear", "label": "rabbia", "confidence": 0.9,
                    "scores": {"rabbia": 0.9, "gioia": 0.06, "calma": 0.04},
                },
            },
        },
    },
    "values": {
        "summary": "a model that gives values",
        "value": {
            **_REST,
            "readouts": {
                "dimensions": {
                    "kind": "pooled", "values": {"arousal": 0.78, "dominance": 0.71, "valence": 0.24},
                    "range": [0, 1],
                },
            },
        },
    },
}  # fmt: skip


def body(*, many: bool = False) -> dict[str, Any]:
    """The body and parameters of a route that accepts recordings, for its `openapi_extra`."""
    file = {"type": "string", "format": "binary"}
    fields: dict[str, Any] = {"file": {"type": "array", "items": file, "minItems": 1} if many else file}
    extra = [
        {
            "name": "webhook",
            "schema": {"type": "string", "maxLength": 2000},
            "description": "URL that is called when a job ends",
        }
    ]
    if not many:
        name = {"type": "string", "maxLength": 4096, "examples": ["call.mp3"]}
        extra.append({"name": "name", "schema": name, "description": "name of the recording in the result"})
    kind = BatchOptions if many else RecognitionOptions
    for item in [*parameters(kind, form=True), *extra]:
        fields[item["name"]] = {**item["schema"], "description": item["description"]}
    form = {"type": "object", "properties": fields, "required": ["file"], "additionalProperties": False}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not many:
        content["application/octet-stream"] = {"schema": file}
    queries = [*parameters(kind), *({"in": "query", "required": False, **item} for item in extra)]
    return {"requestBody": {"required": True, "content": content}, "parameters": queries}


def transcription_body(kind: type[RecognitionOptions]) -> dict[str, Any]:
    """The body and parameters of OpenAI's route, whose form the transcriber reads; options are in the query."""
    text: dict[str, Any] = {"type": "string"}
    fields: dict[str, Any] = {
        "file": {**text, "format": "binary"},
        "model": {**text, "description": "of the transcriber"},
        "language": {**text, "description": "of what is said, as `de`"},
        "prompt": text,
        "response_format": {**text, "description": "json, text, srt, vtt, verbose_json, or what else there is"},
        "temperature": {"type": "number"},
        "timestamp_granularities[]": {"type": "array", "items": text},
        "include[]": {"type": "array", "items": text},
        "stream": {"type": "boolean"},
    }
    form = {"type": "object", "properties": fields, "required": ["file"], "additionalProperties": text}
    name = {"name": "name", "schema": {**text, "maxLength": 4096}, "description": "name of the recording"}
    queries = [*parameters(kind), {"in": "query", "required": False, **name}]
    content = {"multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}, "parameters": queries}


def describe(app: FastAPI) -> None:
    """Complete an app's OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_DESCRIPTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (Recognition, ProblemDetails):
        schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    _simplify(schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document


def _simplify(schema: Any) -> None:
    """Put a schema as generators of clients understand it.

    Pairs are lists of two; and there is no default of null, which they take for a field that is always there.
    """
    if isinstance(schema, list):
        for item in schema:
            _simplify(item)
    if not isinstance(schema, dict):
        return
    if schema.get("default", ...) is None:
        del schema["default"]
    if schema.get("prefixItems"):
        schema["items"] = schema.pop("prefixItems")[0]
    for item in schema.values():
        _simplify(item)


_DESCRIPTION = """\
Recordings in, emotions out. Every error is `application/problem+json` (RFC 9457).

    curl -F file=@call.mp3 http://localhost:7860/v1/recognitions
    curl --data-binary @call.mp3 -H 'Content-Type: audio/mpeg' 'http://localhost:7860/v1/recognitions?name=call.mp3'

If the service requires API keys, send one as `Authorization: Bearer KEY`.
"""
