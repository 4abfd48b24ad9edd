"""The examples: real speech that comes with Emovox, to try it with."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from emovox.models.converted.clips import example_files, scene_files
from emovox.server.http.problems import Problem, responses

router = APIRouter(prefix="/v1/examples", tags=["vocabulary"])


class ExampleView(BaseModel):
    """An example recording."""

    name: str = Field(examples=["emodb_03b01Wa_angry.flac"])
    size: int = Field(description="bytes")
    url: str


@router.get("", responses=responses())
def examples() -> list[ExampleView]:
    """The recordings that come with Emovox (EmoDB, CC0): the one with several emotions first, then one of each."""
    return [
        ExampleView(name=path.name, size=path.stat().st_size, url=f"/v1/examples/{path.name}")
        for path in (*scene_files(), *example_files())
    ]


@router.get(
    "/{name}",
    response_class=FileResponse,
    responses={200: {"description": "The recording.", "content": {"audio/flac": {}}}, **responses(404, 422)},
)
def example(name: Annotated[str, Path(max_length=100, examples=["emodb_03b01Wa_angry.flac"])]) -> FileResponse:
    """One of the example recordings."""
    for path in (*scene_files(), *example_files()):
        if path.name == name:
            return FileResponse(path, media_type="audio/flac")
    raise Problem(404, "no-such-example", "there is no example with this name")
