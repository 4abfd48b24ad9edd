"""Registries: what is built in by name, and after it what plug-ins add, in one table.

A plug-in is a package that somebody installed, and that names what it adds as entry points: of the group
`emovox.exports`, for instance. They are looked up once, at the first question, and nothing of a plug-in is
imported before what it adds is used. One that can't be used is told of in a sentence, and all others go on.

A plug-in is code of whoever wrote it, run with all rights of this program: who installs one trusts it.
"""

import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from emovox.errors import EmovoxError
from emovox.packages import install

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Plugin:
    """What a package adds to a registry.

    Attributes:
        group: of its entry point: to which registry.
        name: of what it adds.
        package: that it is from.
        version: of the package.
        problem: why it can't be used, as far as that is known; empty: it can be, or nobody has tried yet.
    """

    group: str
    name: str
    package: str
    version: str
    problem: str = ""

    @property
    def advice(self) -> str:
        """The problem as a sentence, with what to do."""
        return (
            f"{self.name}, from the package {self.package} {self.version}, can't be used: {self.problem}. Install "
            f"another version with `{install('--upgrade', self.package)}`, or uninstall it"
        )


class Registry(Mapping[str, T], Generic[T]):
    """What is built in, in its order, and what plug-ins add, by package and name.

    Looking up a name that a plug-in has imports it. Iterating gives names, and imports nothing.
    """

    def __init__(
        self,
        group: str,
        kind: type[T],
        built_in: Mapping[str, T],
        error: type[EmovoxError],
        *,
        check: Callable[[str, T, Iterable[T]], None] = lambda name, item, others: None,
    ) -> None:
        """Begin with what is built in.

        Args:
            group: of the entry points.
            kind: what an entry point must be.
            built_in: by name.
            error: what is raised of a plug-in that can't be used.
            check: of what a plug-in adds, with all that was there before it; raises `ValueError` if it can't be.
        """
        self.group = group
        self._kind, self._error, self._check = kind, error, check
        self._built_in = dict(built_in)
        self._loaded: dict[str, T] = {}
        self._plugins: dict[str, Plugin] = {}
        self._refused: list[Plugin] = []
        self._told: set[str] = set()
        self._entries: dict[str, EntryPoint] | None = None
        self._lock = threading.RLock()  # a plug-in may ask for names while it is imported

    def __getitem__(self, name: str) -> T:
        """Return what has this name.

        Raises:
            KeyError: nothing has.
            EmovoxError: of the registry's kind: it is a plug-in's, and can't be used; the message says what to do.
        """
        if name in self._built_in:
            return self._built_in[name]
        with self._lock:
            entry = self._entry_points()[name]
            if name not in self._loaded and not self._plugins[name].problem:
                self._load(name, entry)
            if self._plugins[name].problem:
                raise self._error(self._plugins[name].advice)
            return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from self._entry_points()

    def __len__(self) -> int:
        return len(self._built_in) + len(self._entry_points())

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._entry_points()

    def usable(self) -> Iterator[tuple[str, T]]:
        """Each name with what has it: plug-ins are imported, and those that can't be are told of and left out."""
        for name in self:
            try:
                item = self[name]
            except self._error as error:
                if name not in self._told:
                    self._told.add(name)
                    _tell(str(error))
            else:
                yield name, item

    def plugin(self, name: str) -> Plugin | None:
        """The plug-in that a name is of; None: it is built in."""
        return self._plugins.get(name)

    def plugins(self) -> list[Plugin]:
        """All of them, those that can't be used, too: each is tried."""
        for _ in self.usable():
            pass
        return sorted(
            [*self._plugins.values(), *self._refused], key=lambda plugin: (plugin.package.lower(), plugin.name)
        )

    @contextmanager
    def blamed(self, name: str, what: str) -> Iterator[None]:
        """A block that runs what has this name: a plug-in's mistake is raised as an error that names its package.

        Args:
            name: of it.
            what: it does, for the message: "writing segments.jsonl".

        Raises:
            EmovoxError: of the registry's kind.
        """
        try:
            yield
        except (EmovoxError, OSError):
            raise
        except Exception as error:
            if self.plugin(name) is None:
                raise
            raise self.fault(name, what, error) from error

    def fault(self, name: str, what: str, error: BaseException) -> EmovoxError:
        """The error, of the registry's kind, that says where what has this name went wrong, and whose it is."""
        if (plugin := self.plugin(name)) is None:
            return self._error(f"{what} failed: {_words(error)} ({_place(error)})")
        package = f"the package {plugin.package} {plugin.version}"
        return self._error(f"{what} failed in {package}: {_words(error)} ({_place(error)}). Tell its authors")

    def _entry_points(self) -> "dict[str, EntryPoint]":
        """The entry points that may be used, looked up once."""
        with self._lock:
            if self._entries is None:
                self._entries = {}
                for package, version, entry in _entries_of(self.group):
                    plugin = Plugin(self.group, entry.name, package, version)
                    if reason := self._refusal(entry.name):
                        self._refused.append(replace(plugin, problem=reason))
                        _tell(self._refused[-1].advice)
                    else:
                        self._entries[entry.name], self._plugins[entry.name] = entry, plugin
            return self._entries

    def _refusal(self, name: str) -> str:
        if not NAME.fullmatch(name):
            return "its name must be of small letters, digits and _"
        if name in self._built_in:
            return f"{name} is built in, and stays what it is"
        if (other := self._plugins.get(name)) is not None:
            return f"{other.package} {other.version} has that name already"
        return ""

    def _load(self, name: str, entry: "EntryPoint") -> None:
        try:
            item = entry.load()
        except (Exception, SystemExit) as error:
            problem = _words(error)
        else:
            problem = self._objection(name, item, entry.value)
            self._loaded[name] = item
        self._plugins[name] = replace(self._plugins[name], problem=problem)

    def _objection(self, name: str, item: object, value: str) -> str:
        if not isinstance(item, self._kind):
            return f"{value} is no {self._kind.__name__}"
        try:
            self._check(name, item, (*self._built_in.values(), *self._loaded.values()))
        except ValueError as error:
            return str(error)
        return ""


def _entries_of(group: str) -> "list[tuple[str, str, EntryPoint]]":
    """Name and version of the package, and the entry point, by name."""
    from importlib.metadata import entry_points  # noqa: PLC0415  takes a while to load, and many ask for nothing

    items = []
    for entry in entry_points(group=group):
        try:
            package, version = str(entry.dist.name), str(entry.dist.version)  # type: ignore[union-attr]
        except Exception:  # its metadata are damaged
            package, version = entry.module, "of no known version"
        items.append((package, version, entry))
    return sorted(items, key=lambda item: (item[0].lower(), item[2].name))


def _place(error: BaseException) -> str:
    """Where it came from, for those who have to find it: the first line on its way that isn't Emovox's own."""
    frames = traceback.extract_tb(error.__traceback__)
    root = str(Path(__file__).parent)
    frame = next((frame for frame in frames if not frame.filename.startswith(root)), frames[-1])
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        # whoever reads this needn't know where things are on this machine
        return f"{type(error).__name__}: {error.strerror}: {Path(error.filename).name}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ").rstrip(".")


def _tell(text: str) -> None:
    import logging  # noqa: PLC0415  takes a while to load

    logging.getLogger("emovox.plugins").warning("%s", text)
