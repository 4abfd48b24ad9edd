"""What people say of segments that a model judged; corrections came with this version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    """Make the table, and the index by which the least certain segments are found."""
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "recording",
            sa.String(64),
            sa.ForeignKey("recordings.sha256", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("channel", sa.Integer),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("said", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("author", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("segments_confidence", "segments", ["confidence", "recognition", "number"])
