"""The page: the built files of web/, or how to build them."""

import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from emovox.server.http.problems import Problem

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).parents[1] / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ASSET = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.(js|css|svg)")
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"  # an asset's name has a hash of what is in it
_UNBUILT = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Emovox</title>
<meta name="viewport" content="width=device-width"></head><body>
<h1>Emovox</h1>
<p>The service works, but it has no page, because the page could not be built during the installation.
Building it needs npm and access to npm's packages. In Emovox's source directory:</p>
<pre>npm ci --prefix web
npm run build --prefix web</pre>
<p>or reinstall: <code>pip install --force-reinstall --no-deps .</code>, which brings its own npm if
there is none. The API is described at <a href="/docs">/docs</a>.</p>
<p lang="zh">服务运行正常，但安装时未能构建网页。请在 Emovox 源码目录中运行以上命令（需要能访问 npm 软件源），
或重新安装。接口说明见 <a href="/docs">/docs</a>。</p>
</body></html>
"""


@router.api_route("/", methods=["GET", "HEAD"])
def page(request: Request) -> Response:
    """The page."""
    if not (BUILT / "index.html").is_file():
        return HTMLResponse(_UNBUILT, 503)
    return _answer(request, "index.html", {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
def asset(request: Request, name: str) -> Response:
    """A script, style sheet or picture of the page."""
    if not _ASSET.fullmatch(name):
        raise Problem(404, "not-found", "the page has no such file")
    return _answer(request, f"assets/{name}", {"Cache-Control": _FOREVER})


@router.api_route("/favicon.svg", methods=["GET", "HEAD"])
def favicon(request: Request) -> Response:
    """The page's icon in the browser's tab."""
    return _answer(request, "favicon.svg", {"Cache-Control": "no-cache"})


def _answer(request: Request, name: str, headers: dict[str, str]) -> FileResponse:
    """A built file, compressed if the client accepts that."""
    path = BUILT / name
    if not path.is_file():
        raise Problem(404, "not-found", "the page has no such file")
    headers["Vary"] = "Accept-Encoding"
    packed = path.with_name(f"{path.name}.gz")
    if "gzip" in request.headers.get("accept-encoding", "") and packed.is_file():
        path, headers["Content-Encoding"] = packed, "gzip"
    return FileResponse(path, headers=headers, media_type=_MEDIA_TYPES[name.rpartition(".")[2]])
