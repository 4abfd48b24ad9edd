"""Readings of readouts beside the nine emotions, which not every model gives.

SQLite can't take NOT NULL off a column, so it makes both tables anew.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"

EMOTIONS = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")


def upgrade() -> None:
    """Make the table, and let the nine be null."""
    for name in ("recognitions", "segments"):
        with op.batch_alter_table(name) as table:
            table.alter_column("emotion", existing_type=sa.String(16), nullable=True)
            for column in ("confidence", *EMOTIONS):
                table.alter_column(column, existing_type=sa.Float, nullable=True)
    op.create_table(
        "readings",
        sa.Column(
            "recognition", sa.String(64), sa.ForeignKey("recognitions.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("readout", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("number", sa.Float, nullable=False),
        sa.Column("leads", sa.Boolean),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("trained", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_index("readings_label", "readings", ["readout", "label", "number", "leads", "recognition"])
