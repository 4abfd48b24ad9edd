"""A browser's session: a key once given counts from then on, for players and WebSockets too."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from emovox.server.access import COOKIE, access_of
from emovox.server.problems import responses

router = APIRouter(prefix="/v1/session", tags=["session"])


class Session(BaseModel):
    """How this client stands."""

    keys_needed: bool = Field(description="the service demands API keys")
    known: bool = Field(description="this client has shown one, or needs none")


@router.get("", responses=responses())
async def session(request: Request) -> Session:
    """Whether a key is needed, and was given. Open to all."""
    access = access_of(request)
    return Session(keys_needed=access.needed, known=not access.needed or access.known(request.headers) is not None)


@router.post("", status_code=204, response_class=Response, responses=responses(401))
async def begin(request: Request) -> Response:
    """Keep the key of the `Authorization` header in a cookie, which scripts can't read and other sites can't send.

    A page's players, downloads, events and WebSockets can't say headers; with the cookie they needn't.
    """
    answer = Response(status_code=204)
    access = access_of(request)
    if access.demand(request.headers) is not None:
        key = access.given(request.headers)
        answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.delete("", status_code=204, response_class=Response, responses=responses())
async def end(request: Request) -> Response:
    """Forget the key."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer
