"""The values of segments, such as arousal; earlier versions left them to the outputs directories."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0013", "0012"


def upgrade() -> None:
    """Add the column, and let the outputs that have values be read again."""
    op.add_column("segments", sa.Column("values", sa.Text))
    op.execute(
        "UPDATE directories SET modified = 0 "
        "WHERE recognition IN (SELECT recognition FROM readings WHERE leads IS NULL)"
    )
