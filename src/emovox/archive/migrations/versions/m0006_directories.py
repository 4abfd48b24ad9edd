"""The outputs directories, by which they are listed.

Those of what was archived before have `modified` 0, by which the next start of the service reads result.json: the
archive doesn't know a trained head's verdict, nor all names of a recording that was recognised under several.
"""

import re
from itertools import islice
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"

_NAME = re.compile(r"outputs_(\d{8}_\d{6})((?:_channel\d+)?(?:_(\d{1,6}))?)")
_TOGETHER = 1000


def upgrade() -> None:
    """Make the table, and fill it."""
    table = op.create_table(
        "directories",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column(
            "recognition",
            sa.String(64),
            sa.ForeignKey("recognitions.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("modified", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("duration", sa.Float),
    )
    op.create_index("directories_position", "directories", ["parent", "position"])
    connection = op.get_bind()
    query = sa.text(
        "SELECT outputs, id, name, duration FROM recognitions JOIN recordings ON recording = sha256 "
        "WHERE outputs IS NOT NULL ORDER BY recognitions.created"
    )
    rows = map(_row, {row.outputs: row for row in connection.execute(query)}.values())  # of a path, the latest
    while batch := list(islice(rows, _TOGETHER)):
        connection.execute(table.insert(), batch)


def _row(row: sa.Row[Any]) -> dict[str, Any]:
    path = PurePath(row.outputs)
    match = _NAME.fullmatch(path.name)
    position = path.name if match is None else f"{match[1]}_{int(match[3] or 1):06}{match[2]}"
    return {
        "path": row.outputs, "parent": path.parent.as_posix(), "position": position, "recognition": row.id,
        "modified": 0, "name": row.name, "duration": row.duration,
    }  # fmt: skip
