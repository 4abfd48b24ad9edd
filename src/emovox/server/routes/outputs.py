"""Stored outputs: lists, files, zips, exports, deletion."""

import asyncio
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from emovox import exports
from emovox.archive.filter import Filter
from emovox.archive.record import clean
from emovox.baselines.removal import holders
from emovox.emotions import NAMES
from emovox.exports import FORMATS
from emovox.inference.frames import RowsIn
from emovox.inference.nine import is_none
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import SUMMARY, Segment
from emovox.inference.summary import SpeechSummary
from emovox.server.downloads import disposition, download_name, zip_name
from emovox.server.fitting import take_out_recordings
from emovox.server.http.date_times import DateTime
from emovox.server.http.openapi import RECOGNITION
from emovox.server.http.problems import Problem, responses
from emovox.server.output_summary import Summary
from emovox.server.service import Service, service_of
from emovox.server.stored_outputs import FILE, ID, MEDIA_TYPES, StoredOutputs
from emovox.server.timeline_view import Timeline

router = APIRouter(prefix="/v1/outputs", tags=["outputs"])
OutputId = Annotated[str, Path(pattern=f"^{ID.pattern}$", examples=["outputs_20240104_223000"])]
EmotionName = Literal[NAMES]  # type: ignore[valid-type]
PATIENCE = 30.0  # seconds for the archive to answer: it may have to read a lot
InResult = Annotated[
    RowsIn | None,
    Query(
        description="where the rows of frames are: inline, up to an hour of them, or in the file frames.npz among "
        "the outputs; by default as the job was asked, or else in the file"
    ),
]
_FORMATS = "|".join(FORMATS)


class OutputPage(BaseModel):
    """A page of outputs."""

    outputs: list[Summary]
    next: str | None = Field(description="`after` of the next page; null: this is the last")


class FileView(BaseModel):
    """A file of an outputs directory."""

    name: str
    download_name: str = Field(
        description="what it is called where it is saved, by its recording, as Content-Disposition says",
        examples=["call_channel1_report.html"],
    )
    size: int = Field(description="bytes")
    media_type: str
    url: str


class OutputView(Summary):
    """An outputs directory."""

    files: list[FileView]
    zip: str = Field(description="address of a zip of all files")
    segments: bool = Field(description="whether segments were requested; there may be none all the same")
    summary: SpeechSummary | None = Field(None, description=SUMMARY, exclude_if=is_none)
    summary_without: SpeechSummary | None = Field(
        None, description="as it would be without the baseline, if there is one", exclude_if=is_none
    )
    recognition: dict[str, Any] = Field(description="result.json without its segments, rows of frames and summary")


class BaselineWithout(BaseModel):
    """A baseline that had a recording that was deleted, or may have had it."""

    name: str
    count: int | None = Field(
        description="recordings that it has now; 0: it had no other, and was deleted; null: it is as it was"
    )
    left: int = Field(description="recordings that were deleted and are still in it, or may be")
    reason: str = Field(description="why they are; empty: none is")


class Deleted(BaseModel):
    """What became of the baselines that had a recording that was deleted."""

    baselines: list[BaselineWithout]


class Written(BaseModel):
    """Exports that were written."""

    files: list[FileView]


@router.get("", responses=responses(422, 503))
async def page(
    request: Request,
    emotion: Annotated[EmotionName | None, Query(description="only this emotion, without a baseline")] = None,
    name: Annotated[str | None, Query(max_length=400, description="part of the recording's name")] = None,
    tag: Annotated[str | None, Query(max_length=200, description="only recordings with this tag")] = None,
    since: Annotated[DateTime, Query(description="created then or later")] = None,
    until: Annotated[DateTime, Query(description="created earlier")] = None,
    flag: Annotated[
        str | None,
        Query(
            max_length=200,
            description="only what has moments of this flag: one of GET /v1/archive/flags, or a rule",
            examples=["angry >= 60% for 3s"],
        ),
    ] = None,
    raw: Annotated[
        bool, Query(description="look for moments without the baselines that recordings were recognised with")
    ] = False,
    together: Annotated[
        bool,
        Query(
            description="a recording whose channels were recognised by themselves as one, with the other "
            "channels in `others`"
        ),
    ] = False,
    after: Annotated[str | None, Query(pattern=f"^{ID.pattern}$", description="as in `next`")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> OutputPage:
    """The stored outputs, latest first. Times without a zone are UTC.

    With `flag` a page may have fewer than `limit`, down to none, although others follow: go on until `next` is
    null.
    """
    service = service_of(request)
    await service.wait_for_archive()
    where = Filter(emotion=emotion, tag=tag and clean(tag), name=name and clean(name), since=since, until=until)
    find = partial(
        service.stored_outputs.find,
        where,
        before=after,
        limit=limit,
        flag=flag and clean(flag),
        raw=raw,
        together=together,
    )
    summaries, next_ = await service.query.within(PATIENCE, find)
    return OutputPage(outputs=summaries, next=next_)


@router.get("/{id_}", responses=responses(404, 422))
def get(request: Request, id_: OutputId) -> OutputView:
    """An outputs directory and its files."""
    stored = service_of(request).stored_outputs
    facts, head = stored.head(id_)
    head.pop("summary", None)  # that of another version may have gone by other rules
    recognition = stored.recognition(id_, "segments") if stored.has_segments(id_) else None
    call = stored.call(id_) if facts.channel is not None else None
    plain = None if recognition is None or recognition.baseline is None else without_baseline(recognition)
    return OutputView(
        **facts.model_copy(update={"call": call}).model_dump(exclude={"summary", "summary_without"}),
        files=[_view(facts, path) for path in stored.files(id_)],
        zip=f"/v1/outputs/{id_}/zip",
        segments=recognition is not None,
        summary=recognition and recognition.summary,
        summary_without=plain and plain.summary,
        recognition=head,
    )


@router.get(
    "/{id_}/result",
    response_class=Response,
    responses={
        200: {"description": "The recognition.", "content": {"application/json": {"schema": RECOGNITION}}},
        **responses(404, 422),
    },
)
def result(request: Request, id_: OutputId, frames: InResult = None) -> Response:
    """The result.json of an outputs directory."""
    return result_response(service_of(request).stored_outputs.result(id_, frames))


@router.get("/{id_}/timeline", response_model=Timeline, responses=responses(404, 422))
def timeline(
    request: Request,
    id_: OutputId,
    start: Annotated[float, Query(ge=0, allow_inf_nan=False, description="seconds")] = 0.0,
    end: Annotated[
        float | None, Query(gt=0, allow_inf_nan=False, description="seconds; by default the recording's end")
    ] = None,
    points: Annotated[int, Query(ge=1, le=10_000, description="at most")] = 1000,
    segments: Annotated[bool, Query(description="whether they are wanted, too")] = True,
) -> Response:
    """A stretch of the recording for a picture: the sound's peaks, the curve, and the segments."""
    service = service_of(request)
    stretch = service.stored_outputs.timeline(id_, start=start, end=end, points=points, segments=segments)
    if stretch.segments:
        stretch = stretch.model_copy(update={"segments": _labelled(service, id_, stretch.segments)})
    # Written here: hours of it are valid already, and would be looked through number by number.
    return Response(stretch.model_dump_json(), media_type="application/json")


@router.api_route(
    "/{id_}/files/{name}",
    methods=["GET"],
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"*/*": {}}},
        206: {"description": "The part requested with `Range`.", "content": {"*/*": {}}},
        **responses(404, 416, 422),
    },
)
def file(request: Request, id_: OutputId, name: Annotated[str, Path(pattern=f"^{FILE.pattern}$")]) -> FileResponse:
    """A file; players may request parts of it with `Range`."""
    stored = service_of(request).stored_outputs
    path, recording = stored.file(id_, name), _recording(stored, id_)
    called = download_name(*recording, id_, name)
    headers = {"Content-Disposition": disposition("inline", called, f"{id_}_{name}")}
    return FileResponse(path, media_type=MEDIA_TYPES[name.partition(".")[2]], headers=headers)


@router.get(
    "/{id_}/zip",
    response_class=Response,
    responses={
        200: {
            "description": "All files.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **responses(404, 422),
    },
)
def archive(request: Request, id_: OutputId) -> StreamingResponse:
    """All files in a zip, made while it is sent."""
    stored = service_of(request).stored_outputs
    files, recording = stored.files(id_), _recording(stored, id_)
    called = zip_name(*recording, id_)
    headers = {"Content-Disposition": disposition("attachment", called, f"{id_}.zip")}
    return StreamingResponse(_zipped(id_, files), media_type="application/zip", headers=headers)


@router.post("/{id_}/exports", responses=responses(404, 422, 507))
async def export(
    request: Request,
    id_: OutputId,
    formats: Annotated[
        str, Query(alias="export", pattern=f"^({_FORMATS})(,({_FORMATS}))*$", examples=["srt,csv"])
    ],
    labels: Annotated[Literal["en", "zh"] | None, Query(description="language of the emotions' names")] = None,
) -> Written:
    """Write outputs in other formats, beside the existing files."""
    service = service_of(request)

    def write() -> list[FileView]:
        recognition, directory = service.stored_outputs.recognition(id_), service.stored_outputs.directory(id_)
        if recognition.segments:
            labelled = _labelled(service, id_, recognition.segments)
            recognition = recognition.model_copy(update={"segments": labelled})
        written = exports.write(
            recognition, directory, formats.split(","), language=labels or service.settings.labels
        )
        facts, _ = service.stored_outputs.head(id_)
        return [_view(facts, path) for path in written]

    async with service.export_lock:
        return Written(files=await asyncio.to_thread(write))


@router.delete(
    "/{id_}",
    status_code=204,
    response_class=Response,
    responses={
        200: {"description": "It is deleted; the answer to `baselines`.", "model": Deleted},
        204: {
            "description": "It is deleted.",
            "headers": {
                "Link": {
                    "schema": {"type": "string"},
                    "description": "with rel=related: the baselines that its recording is in, or may be, if any",
                }
            },
        },
        **responses(404, 422, 507),
    },
)
def remove(
    request: Request,
    id_: OutputId,
    baselines: Annotated[
        Literal["keep", "refit"] | None,
        Query(
            description="refit: also take its recording out of all baselines that it is in; keep: leave it in. "
            "The answer then says what became of them. By default it is left in, and `Link` names them"
        ),
    ] = None,
) -> Response:
    """Delete an outputs directory with everything in it.

    Baselines have sums of the embeddings of their recordings. `GET /v1/baselines?outputs=…` says beforehand which
    have this one.
    """
    service = service_of(request)
    service.stored_outputs.directory(id_)
    sha256 = service.stored_outputs.sha256(id_)
    sha256s = set() if sha256 is None else {sha256}
    if baselines == "refit":
        removals = take_out_recordings(service, sha256s)
        views = [BaselineWithout.model_validate(item, from_attributes=True) for item in removals]
    else:
        views = [
            BaselineWithout(name=item.name, count=None, left=1, reason="it was to be left in")
            for item in holders(sha256s)
        ]
    service.stored_outputs.remove(id_)
    if baselines is None:
        links = ", ".join(f'</v1/baselines/{quote(item.name)}>; rel="related"' for item in views)
        return Response(status_code=204, headers={"Link": links} if links else {})
    return JSONResponse(Deleted(baselines=views).model_dump(mode="json"))


def result_response(result: FilePath | Iterator[str]) -> Response:
    """A result.json as an answer, from its file or in pieces."""
    if isinstance(result, FilePath):
        return FileResponse(result, media_type="application/json")
    return StreamingResponse(result, media_type="application/json")


def _labelled(service: Service, id_: str, segments: list[Segment]) -> list[Segment]:
    """Segments of outputs with the labels that people gave them, unless the archive can't say."""
    archive = service.archiving.archive
    with suppress(SQLAlchemyError):
        record = archive.by_outputs(service.stored_outputs.directory(id_))
        return segments if record is None else archive.corrections.label(record, segments)
    return segments


def _recording(stored: StoredOutputs, id_: str) -> tuple[str | None, int | None]:
    """Name and channel of the recording; none where they can't be read, as what is damaged is given, too."""
    try:
        facts, _ = stored.head(id_)
    except Problem:
        return None, None
    return facts.name, facts.channel


def _view(of: Summary, path: FilePath) -> FileView:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise Problem(404, "no-such-output", "the outputs have just been deleted") from None
    return FileView(
        name=path.name,
        download_name=download_name(of.name, of.channel, of.id, path.name),
        size=size,
        media_type=MEDIA_TYPES[path.name.partition(".")[2]],
        url=f"/v1/outputs/{of.id}/files/{path.name}",
    )


class _Pipe:
    """A file that can only be written, and whose content is taken out piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data


def _zipped(id_: str, files: list[FilePath]) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as target:  # type: ignore[call-overload]
        for path in files:
            with path.open("rb") as source, target.open(f"{id_}/{path.name}", "w", force_zip64=True) as entry:
                while block := source.read(2**18):
                    entry.write(block)
                    yield pipe.take()
            yield pipe.take()
    yield pipe.take()
