"""The policy: of whose voice this service infers emotions."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from emovox.policy import SIDES, Demand, Profile, Side
from emovox.server.http.problems import responses
from emovox.server.service import service_of

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class PolicyView(BaseModel):
    """Of whose voice emotions are inferred."""

    profile: Profile = Field(
        description="`eu`: of workers and pupils only talk time; `research`: of customers, too; `open`: everything"
    )
    sides: list[Side] = Field(description="that may be declared as `side`: whose voice a recording is")
    talk_time_only: list[Side] = Field(description="those of which nothing else is inferred")
    require: list[Demand] = Field(description="what must be declared of a recording")
    ethics: str | None = Field(description="reference of the approval that `research` needs")
    abstain: bool = Field(description="whether nothing is given where the model is unsure")
    retention: dict[str, float] = Field(
        description="days after which results go, by purpose; `default` is that of all others"
    )
    notice: bool = Field(description="whether a live stream must say that its speakers were told")
    notice_text: str | None = Field(description="what they are to be told; null: the service has no text")
    exception: str | None = Field(description="the medical or safety reason for which all sides are inferred")


@router.get("/policy", responses=responses())
def policy(request: Request) -> PolicyView:
    """The policy that this service was started with."""
    rules = service_of(request).policy
    return PolicyView(
        profile=rules.profile,
        sides=list(SIDES),
        talk_time_only=[side for side in SIDES if side in rules.withheld],
        require=list(rules.require),
        ethics=rules.ethics,
        abstain=rules.abstain,
        retention=dict(rules.retention),
        notice=rules.notice,
        notice_text=service_of(request).notice,
        exception=rules.exception,
    )
