"""A browser's session: a key entered once counts from then on, for players and WebSockets, too."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from emovox.server.http.access import LIFE, access_of, cookie_name
from emovox.server.http.hosts import host_name, is_loopback
from emovox.server.http.problems import Problem, responses

router = APIRouter(prefix="/v1/session", tags=["session"])
FORMER = "emovox_key"  # the cookie of 0.1, which held the key itself


class Session(BaseModel):
    """The session of this client."""

    keys_needed: bool = Field(description="whether the service requires API keys")
    known: bool = Field(description="whether this client has sent one, or needs none")


@router.get("", responses=responses())
async def session(request: Request, answer: Response) -> Session:
    """Whether a key is needed, and whether this client has one. Needs no key."""
    access = access_of(request)
    _forget_former(request, answer)
    key = await access.key(request.headers)
    return Session(keys_needed=access.needed, known=key is not None or not access.needed)


@router.post("", status_code=204, response_class=Response, responses=responses(401))
async def begin(request: Request) -> Response:
    """Begin a session with the key in the `Authorization` header: a cookie stands in for the key for 30 days.

    A page's players, downloads, events and WebSockets can't send headers; with the cookie they needn't. Scripts
    can't read it, other sites can't send it, and except for this machine's own names it is sent over HTTPS only.
    """
    answer = Response(status_code=204)
    local = _is_local(request)
    if not local and request.headers.get("origin", "").startswith("http://"):
        detail = "browsers keep no session over plain HTTP: put a proxy with TLS in front of the service"
        raise Problem(400, "needs-https", detail)
    token = await access_of(request).begin(request.headers)
    if token is not None:
        name = cookie_name(request.headers)
        answer.set_cookie(name, token, max_age=LIFE, httponly=True, samesite="strict", secure=not local)
    _forget_former(request, answer)
    return answer


@router.delete("", status_code=204, response_class=Response, responses=responses())
async def end(request: Request) -> Response:
    """End the session."""
    answer = Response(status_code=204)
    await access_of(request).end(request.headers)
    answer.delete_cookie(
        cookie_name(request.headers), httponly=True, samesite="strict", secure=not _is_local(request)
    )
    _forget_former(request, answer)
    return answer


def _is_local(request: Request) -> bool:
    return is_loopback(host_name(request.headers.get("host", "")))


def _forget_former(request: Request, answer: Response) -> None:
    if FORMER in request.cookies:
        answer.delete_cookie(FORMER, httponly=True, samesite="strict")
