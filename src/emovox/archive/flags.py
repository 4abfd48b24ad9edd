"""Flags: named rules, kept in the database for everybody who uses it."""

from dataclasses import dataclass
from datetime import datetime, timezone

from sqlalchemy import Engine, delete, select

from emovox.archive.rule import Rule
from emovox.archive.schema import flags
from emovox.errors import ArchiveError


@dataclass(frozen=True)
class Flag:
    """A rule with a name."""

    name: str
    rule: Rule


class Flags:
    """The flags of an archive."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def all(self) -> list[Flag]:
        """All of them, by name."""
        query = select(flags.c.name, flags.c.rule).order_by(flags.c.name)
        with self._database.connect() as connection:
            return [Flag(name, Rule.parse(rule)) for name, rule in connection.execute(query)]

    def put(self, name: str, rule: str | Rule) -> Flag:
        """Keep a rule under a name; an earlier one of that name goes.

        Raises:
            ArchiveError: the name is empty, too long or not printable.
            FilterError: the rule can't be read.
        """
        name, rule = name.strip(), Rule.of(rule)
        if not name or len(name) > 100 or not name.isprintable():
            raise ArchiveError("a flag's name has 1 to 100 printable characters")
        created = datetime.now(timezone.utc).timestamp()
        with self._database.begin() as connection:
            connection.execute(delete(flags).where(flags.c.name == name))
            connection.execute(flags.insert().values(name=name, rule=str(rule), created=created))
        return Flag(name, rule)

    def remove(self, name: str) -> bool:
        """Take one away; False if there was none."""
        with self._database.begin() as connection:
            return bool(connection.execute(delete(flags).where(flags.c.name == name.strip())).rowcount)

    def rule(self, text: str) -> Rule:
        """The rule of the flag that is called so, or else the one that is written there.

        Raises:
            FilterError: it is neither.
        """
        with self._database.connect() as connection:
            rule = connection.scalar(select(flags.c.rule).where(flags.c.name == text.strip()))
        return Rule.parse(text if rule is None else rule)
