"""Flags: named rules, and the moments that rules find in all recordings."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, Field

from emovox.archive.flags import Flag
from emovox.server.http.problems import Problem, responses
from emovox.server.output_summary import MomentView
from emovox.server.routes.archive import Archived, Expect, Relative, archived, view_of, waiting
from emovox.server.routes.selection import Selection
from emovox.server.service import service_of

router = APIRouter(prefix="/v1/archive", tags=["archive"])
FlagName = Annotated[str, Path(pattern=r"^\w[\w .:-]{0,99}$", examples=["complaint"])]


class FlagRule(BaseModel):
    """The rule of a flag."""

    rule: str = Field(
        min_length=1,
        max_length=200,
        description="a name, >=, >, <= or <, a number, and if need be for how long and of whose voice",
        examples=["angry >= 60% for 3s", "arousal >= 0.7 for 2s of customer"],
    )


class FlagView(BaseModel):
    """A flag."""

    name: str
    rule: str
    rule_zh: str = Field(description="the same in Chinese")


class FlagList(BaseModel):
    """All flags, by name."""

    flags: list[FlagView]


class RecordingMoments(Archived):
    """A recognition, with the moments in which a rule holds."""

    moments: list[MomentView]


class MomentsPage(BaseModel):
    """A page of recognitions with moments."""

    rule: str = Field(description="as it was understood")
    recognitions: list[RecordingMoments]
    without_segments: int = Field(
        description="how many of all that the other parameters select have no segments, so that nothing can be "
        "found in them"
    )
    next: str | None = Field(description="`before` of the next page; null: this is the last")


@router.get("/moments", responses=responses(409, 422, 503))
@waiting
def moments(
    request: Request,
    where: Selection,
    rule: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            description="what must hold of neighbouring segments, and for how many seconds of speech: a rule, or "
            "the name of a flag",
            examples=["angry >= 60% for 3s"],
        ),
    ],
    before: Annotated[
        str | None, Query(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,9})?:[0-9a-f]{64}$", description="as in `next`")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    baseline: Relative = None,
    expect: Expect = None,
) -> MomentsPage:
    """Moments in all recordings, latest first. Times without a zone are UTC.

    A page may have fewer than `limit`, down to none, although others follow: go on until `next` is null.
    """
    service = service_of(request)
    view = view_of(service, where, baseline, expect)
    meant = service.archiving.archive.flags.rule(rule)
    rows, next_ = view.find_moments(meant, limit=limit, before=before)
    return MomentsPage(
        rule=str(meant),
        recognitions=[
            RecordingMoments(
                **archived(service, row.record).model_dump(),
                moments=[MomentView(**moment.to_dict()) for moment in row.moments],
            )
            for row in rows
        ],
        without_segments=view.without_segments(meant),
        next=next_,
    )


@router.get("/flags", responses=responses(503))
@waiting
def flags(request: Request) -> FlagList:
    """The flags that are kept here, for everybody."""
    return FlagList(flags=[_view(flag) for flag in service_of(request).archiving.archive.flags.all()])


@router.put("/flags/{flag}", responses=responses(422, 503))
@waiting
def put(request: Request, flag: FlagName, rule: Annotated[FlagRule, Body()]) -> FlagView:
    """Keep a rule under a name; an earlier one of that name goes."""
    return _view(service_of(request).archiving.archive.flags.put(flag, rule.rule))


@router.delete("/flags/{flag}", status_code=204, response_class=Response, responses=responses(404, 422, 503))
@waiting
def remove(request: Request, flag: FlagName) -> Response:
    """Remove a flag; recordings stay as they are."""
    if not service_of(request).archiving.archive.flags.remove(flag):
        raise Problem(404, "no-such-flag", "there is no flag with this name")
    return Response(status_code=204)


def _view(flag: Flag) -> FlagView:
    return FlagView(name=flag.name, rule=str(flag.rule), rule_zh=flag.rule.text("zh"))
