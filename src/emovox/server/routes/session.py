"""A browser's session: a key once given counts from then on, for players and WebSockets too."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from emovox.server.http.access import LIFE, access_of, cookie_name
from emovox.server.http.hosts import host_name, is_loopback
from emovox.server.http.problems import Problem, responses

router = APIRouter(prefix="/v1/session", tags=["session"])
FORMER = "emovox_key"  # the cookie of 0.1, which held the key itself


class Session(BaseModel):
    """How this client stands."""

    keys_needed: bool = Field(description="the service demands API keys")
    known: bool = Field(description="this client has shown one, or needs none")


@router.get("", responses=responses())
async def session(request: Request, answer: Response) -> Session:
    """Whether a key is needed, and was given. Open to all."""
    access = access_of(request)
    _forget_former(request, answer)
    known = not access.needed or await access.key(request.headers) is not None
    return Session(keys_needed=access.needed, known=known)


@router.post("", status_code=204, response_class=Response, responses=responses(401))
async def begin(request: Request) -> Response:
    """Begin a session with the key of the `Authorization` header: a cookie stands for the key for 30 days.

    A page's players, downloads, events and WebSockets can't say headers; with the cookie they needn't. Scripts
    can't read it, other sites can't send it, and but for this machine's own names it goes over HTTPS alone.
    """
    answer = Response(status_code=204)
    local = _is_local(request)
    if not local and request.headers.get("origin", "").startswith("http://"):
        detail = "over plain HTTP browsers keep no session: put a proxy with TLS before it"
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
