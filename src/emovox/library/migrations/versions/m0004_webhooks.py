"""How often a webhook was tried, and when it may be tried again."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Add them, and an index of what is untold: a look for it must not read the results of all jobs."""
    op.add_column("jobs", sa.Column("tellings", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("tell_at", sa.Float, nullable=False, server_default="0"))
    op.create_index(
        "jobs_untold",
        "jobs",
        ["webhook", "tell_at", "number"],
        sqlite_where=sa.text("told = 0"),
        postgresql_where=sa.text("told = 0"),
    )
