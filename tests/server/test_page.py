"""The page's files, as they are served: built or not, compressed or not, and under which policy."""

import gzip
import re
from pathlib import Path

import pytest

from emovox.models.converted.clips import scene_files
from emovox.server.routes import page
from support.service import Client

SCRIPT = "console.log('a page')" * 50


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page, not the real one: that may not be built."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Emovox</title>")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets/index-a1.js").write_text(SCRIPT)
    (tmp_path / "assets/index-a1.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (tmp_path / "secret.txt").write_text("no")
    monkeypatch.setattr(page, "BUILT", tmp_path)
    return tmp_path


def test_the_page_runs_only_scripts_of_its_own(built: Path, shared: Client) -> None:
    answer = shared.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-cache"  # a new version is seen at once
    assert shared.head("/").status_code == 200


def test_assets_are_sent_compressed_and_kept_forever(built: Path, shared: Client) -> None:
    packed = shared.get("/assets/index-a1.js", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == (built / "assets/index-a1.js.gz").stat().st_size
    plain = shared.get("/assets/index-a1.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for answer in (packed, plain):
        assert answer.text == SCRIPT
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/..%2fsecret.txt",
        "/assets/../secret.txt",
        "/assets/index-a1.js.gz",
        "/secret.txt",
    ],
)
def test_nothing_else_is_served(built: Path, shared: Client, path: str) -> None:
    answer = shared.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_root_says_how_to_build_the_page(
    tmp_path: Path, shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "BUILT", tmp_path / "none")
    answer = shared.get("/")
    assert answer.status_code == 503
    assert "npm run build --prefix web" in answer.text
    assert shared.get("/favicon.svg").status_code == 404


def test_examples_can_be_listed_and_played(shared: Client, examples: list[Path]) -> None:
    listed = shared.get("/v1/examples").json()
    paths = [*scene_files(), *examples]
    assert [item["name"] for item in listed] == [path.name for path in paths]
    for item, path in zip(listed, paths, strict=True):
        assert item["size"] == path.stat().st_size
        assert shared.get(item["url"]).content == path.read_bytes()
    answer = shared.get("/v1/examples/README.md")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:emovox:no-such-example")


def test_the_page_needs_no_key_but_the_examples_do(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.service import serving  # noqa: PLC0415  this service is its own

    with serving(tmp_path / "outputs", keys_needed=True) as client:
        for path in ("/", "/assets/index-a1.js", "/favicon.svg"):
            assert client.get(path).status_code == 200, path
        assert client.get("/v1/examples").status_code == 401


def test_the_built_page_has_no_address_but_its_own() -> None:
    if not (page.BUILT / "index.html").is_file():
        pytest.skip("the page isn't built")
    named = re.compile(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}")
    allowed = {b"http://www.w3.org", b"https://svelte.dev"}  # namespaces; and addresses in messages of errors
    for path in page.BUILT.rglob("*"):
        if path.suffix in {".html", ".js", ".css"}:
            assert {match[0] for match in named.finditer(path.read_bytes())} <= allowed, path
