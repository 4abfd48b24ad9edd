"""The house: which room may import from which, and how large a module may be."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
PAGE = Path(__file__).parents[1] / "web" / "src"
LINES = 400
# A room imports from those before it. First come the modules that anything may use.
ROOMS = (
    "version",
    "errors",
    "lazy",
    "packages",
    "silence",
    "signature",
    "interrupts",
    "refusals",
    "spreadsheets",
    "registry",
    "words",
    "emotions",
    "directories",
    "settings",
    "notes",
    "policy",
    "notices",
    "private",
    "use_log",
    "files",
    "audio",
    "models",
    "baselines",
    "inference",
    "outputs",
    "exports",
    "labels",
    "plugins",
    "evaluation",
    "heads",
    "speech_embeddings",
    "archive",
    "saving",
    "upgrade",
    "batch",
    "client",
    "live_client",
    "turns",
    "funasr_input",
    "funasr",
    "modelscope",
    "server",
    "assistants",
    "cli",
    "__init__",  # the public names of others
    "__main__",
)
EXCEPTIONS = {
    ("emovox.audio.isolation.process", "emovox"): "finds out where the package is installed",
    ("emovox.models.runtime.session", "emovox.models.runtime.onnxruntime_session"): "opens one of the engines",
    ("emovox.models.runtime.session", "emovox.models.runtime.openvino_session"): "opens one of the engines",
}


def name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in sorted((SOURCE / "emovox").rglob("*.py"))}


def imports(module: str) -> Iterator[str]:
    """The modules that one imports anywhere in it: also late, and also for types alone."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in MODULES:
                    yield full
                elif node.module in MODULES:
                    yield node.module


IMPORTS = {module: {target for target in imports(module) if target != module} for module in MODULES}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_room_imports_only_from_those_before_it() -> None:
    order = {room_: number for number, room_ in enumerate(ROOMS)}
    wrong = [
        f"{module} imports {target}"
        for module, targets in IMPORTS.items()
        for target in targets
        if order[room(target)] > order[room(module)] and (module, target) not in EXCEPTIONS
    ]
    assert wrong == []


def test_no_imports_run_in_a_circle() -> None:
    graph = {
        module: {target for target in targets if (module, target) not in EXCEPTIONS}
        for module, targets in IMPORTS.items()
    }
    TopologicalSorter(graph).prepare()  # whose error names the circle


def test_every_exception_is_still_one() -> None:
    assert [pair for pair in EXCEPTIONS if pair[1] not in IMPORTS.get(pair[0], ())] == []


def test_no_module_is_too_long() -> None:
    """The page's are held to it too, but for what is written from the service's OpenAPI document."""
    kinds = {".ts", ".svelte", ".css"}
    page = [path for path in PAGE.rglob("*") if path.suffix in kinds and path != PAGE / "api" / "schema.ts"]
    assert page
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in [*MODULES.values(), *page]}
    assert {str(path): length for path, length in lengths.items() if length > LINES} == {}
