"""Fitting: baselines of what is in the archive, from its embeddings, without its sound."""

from pathlib import PurePath

from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.vectors import Block, blocks
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import Fitting
from emovox.errors import ArchiveError
from emovox.models.metadata import Metadata
from emovox.policy import Side, policy

CHANNEL, FOLDER = "channel", "folder"


def fit(
    archive: Archive,
    name: str,
    metadata: Metadata,
    where: Filter,
    *,
    column: str | None = None,
    source: str = "",
    side: Side | None = None,
) -> list[Baseline]:
    """Baselines of recordings that the archive has embeddings of, by one model; of each channel the latest.

    Args:
        archive: that has them; its embeddings are read in blocks.
        name: of the first; a group's is called `NAME.GROUP`.
        metadata: of the model.
        where: which recordings.
        column: what groups are told apart by: `channel`, `folder` (of the link), or what stands before the colon
            in tags such as speaker:anna; None: there are none.
        source: what the recordings are, in words.
        side: whose voices those are of which the archive doesn't know it.

    Returns:
        That of all, then those of the groups, sorted.

    Raises:
        ArchiveError: it has no embeddings of them by this model, no recording has such a tag, or one has two.
        BaselineError: a name isn't valid.
        FilterError: nothing in the archive is called as the filter says.
    """
    policy().check(side, "a baseline")
    fitting = Fitting(name, metadata, column=column or "", source=source)
    size, valued = metadata.embedding_size, False
    for block in blocks(archive, where, model=metadata.name, revision=metadata.embeddings_of, size=size):
        values = None if column is None else groups(block, column)
        valued = valued or any(values or ())
        sides = [declared or side for declared in block.sides]
        fitting.add(block.vectors, list(block.sha256s), values, block.channels, sides)
    if column is not None and not valued:
        raise ArchiveError(f"no recording has a tag like {column}:NAME: give one with `emovox archive tag`")
    return fitting.baselines()


def groups(block: Block, column: str) -> list[str]:
    """The value of each recording, empty where it has none.

    Raises:
        ArchiveError: a recording has two.
    """
    if column == CHANNEL:
        return ["" if channel is None else str(channel) for channel in block.channels]
    if column == FOLDER:
        return ["" if link is None else PurePath(link).parent.name for link in block.links]
    return [tagged(names, column) for names in block.tags]


def tagged(tags: tuple[str, ...], column: str) -> str:
    """The value of a recording's tag COLUMN:VALUE; empty: it has none.

    Raises:
        ArchiveError: it has two.
    """
    values = [tag[len(column) + 1 :].strip() for tag in tags if tag.startswith(f"{column}:")]
    if len(values) > 1:
        raise ArchiveError(f"a recording has several tags {column}:…, {' and '.join(values)}: leave one")
    return values[0] if values else ""
