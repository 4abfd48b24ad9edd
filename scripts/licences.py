"""Write NOTICE: the licences of all that Emovox installs, with each extra, read from the packages' own metadata.

python scripts/licences.py > NOTICE          in an environment with the extras that are to be in it
python scripts/licences.py --check           whether NOTICE names all that is installed here
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, metadata
from pathlib import Path

NOTICE = Path(__file__).resolve().parents[1] / "NOTICE"
TOOLS = {"dev", "site", "test"}  # extras of those who work on it
HEAD = """Emovox
Copyright the Emovox authors. Code: Apache-2.0 (LICENSE).

What comes with it
------------------

lite.onnx: CC BY-NC-SA 4.0, with credits (src/emovox/models/bundled/LICENSE.lite); made from OpenAI Whisper base,
MIT, Copyright (c) 2022 OpenAI (src/emovox/models/bundled/LICENSE.whisper).
examples/: EmoDB, CC0-1.0 (examples/README.md).
The page: Svelte (MIT), openapi-fetch (MIT), compiled into it.

What it installs
----------------

Nothing of the following is part of Emovox; pip installs it beside, under the licence that each package states. Of
these some ask for more than credit:

av (PyAV, BSD-3-Clause) has FFmpeg in its wheels, LGPL-2.1-or-later, with the libraries that it was built with. It
is loaded as shared libraries, which may be exchanged: install PyAV from source against an FFmpeg of your own.
soxr (LGPL-2.1-or-later) has libsoxr in its wheels, likewise exchangeable.
psycopg (LGPL-3.0-only) comes with the extra postgres alone.

The extras in brackets bring a package; those without are always installed.

"""


def main() -> int:
    """Write or check."""
    lines = rows()
    if "--check" in sys.argv:
        text = NOTICE.read_text(encoding="utf-8")
        missing = [line for line in lines if f"\n{line.split()[0]} " not in text]
        print("\n".join(missing) or "NOTICE names all that is installed")
        return bool(missing)
    print(HEAD + "\n".join(lines))
    return 0


def rows() -> list[str]:
    """A line for each package: its name, its licence, and the extras that bring it."""
    extras: dict[str, set[str]] = {}
    for extra in ("", *sorted(set(metadata("emovox").get_all("Provides-Extra") or ()) - TOOLS)):
        for name in closure("emovox", extra):
            extras.setdefault(name, set()).add(extra)
    extras.pop("emovox", None)
    return [
        f"{name} ({licence(distribution(name))})" + ("" if "" in of else f" [{', '.join(sorted(of))}]")
        for name, of in sorted(extras.items())
    ]


def closure(name: str, extra: str, seen: dict[tuple[str, str], None] | None = None) -> set[str]:
    """The packages that one needs here, itself included, as far as they are installed."""
    seen = {} if seen is None else seen
    if (name, extra) in seen:
        return set()
    seen[name, extra] = None
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    names = {name}
    for requirement in requires:
        target, marker = re.split(r"\s*;\s*", requirement + ";")[:2]
        wanted = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if (wanted and wanted[1] != extra) or "sys_platform" in marker or "platform_system" in marker:
            continue
        match = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", target)
        if match is None:
            continue
        child = re.sub(r"[-_.]+", "-", match[1]).lower()
        for part in ("", *(match[2] or "").split(",")):
            names |= closure(child, part, seen)
    return names


def licence(package: Distribution) -> str:
    """What a package says of its licence: the SPDX expression, or else the classifiers, or the first line."""
    facts = package.metadata
    if expression := facts.get("License-Expression"):
        return str(expression)
    classifiers = [
        item.rpartition(" :: ")[2] for item in facts.get_all("Classifier") or () if item.startswith("License")
    ]
    if classifiers:
        return ", ".join(sorted(set(classifiers)))
    lines = (facts.get("License") or "").strip().splitlines()
    return lines[0][:80] if lines else "not stated"


if __name__ == "__main__":
    sys.exit(main())
