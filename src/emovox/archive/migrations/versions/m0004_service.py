"""Jobs have an owner and times before which they and their webhooks aren't tried; results by the piece; sessions.

The table is made anew: SQLite reads a row's long texts on the way to what stands behind them, and an older SQLite
can't drop a column. Numbers, of which two services might have given the same, are counted through.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"

_SAME = (
    "id", "batch", "state", "name", "options", "created", "started", "finished", "attempts", "claim", "digest",
    "output", "problem", "timings", "webhook", "told",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables, and move what is there."""
    op.drop_table("batches")
    op.drop_index("jobs_state", "jobs", if_exists=True)
    op.drop_index("ix_jobs_batch", "jobs", if_exists=True)
    op.rename_table("jobs", "jobs_before")
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("batch", sa.String(32), index=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("upload", sa.String(32), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("finished", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claim", sa.String(64)),
        sa.Column("digest", sa.String(64)),
        sa.Column("output", sa.String(64)),
        sa.Column("problem", sa.Text),
        sa.Column("timings", sa.Text),
        sa.Column("webhook", sa.Text),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("tellings", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tell_at", sa.Float, nullable=False, server_default="0"),
    )
    op.create_index("jobs_number", "jobs", ["number"], unique=True)
    op.create_index("jobs_state", "jobs", ["state", "number"])
    op.create_index("jobs_owner", "jobs", ["owner", "state", "number"])
    op.create_index(
        "jobs_untold",
        "jobs",
        ["webhook", "tell_at", "number"],
        sqlite_where=sa.text("told = 0"),
        postgresql_where=sa.text("told = 0"),
    )
    op.create_table(
        "results",
        sa.Column("job", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(16), sa.ForeignKey("keys.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("created", sa.Float, nullable=False),
    )
    same = ", ".join(_SAME)
    op.execute(
        f"INSERT INTO jobs ({same}, upload, due, number) SELECT {same},"  # noqa: S608  constants
        " CASE WHEN state = 'cancelled' THEN '' ELSE upload END, created,"
        " row_number() OVER (ORDER BY number, created, id) FROM jobs_before"
    )
    op.execute(
        "INSERT INTO results (job, number, text) SELECT id, 0, result FROM jobs_before WHERE result IS NOT NULL"
    )
    op.drop_table("jobs_before")
