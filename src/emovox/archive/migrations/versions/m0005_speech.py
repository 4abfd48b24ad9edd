"""Seconds of speech in what was recognised; unknown of what was archived before."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("recognitions", sa.Column("speech", sa.Float))
