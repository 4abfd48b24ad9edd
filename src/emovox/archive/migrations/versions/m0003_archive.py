"""The archive."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

EMOTIONS = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")


def _scores() -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float, nullable=False) for name in EMOTIONS]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "recordings",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("link", sa.Text),
        sa.Column("duration", sa.Float),
        sa.Column("sample_rate", sa.Integer),
        sa.Column("channels", sa.Integer),
        sa.Column("codec", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "recognitions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column(
            "recording",
            sa.String(64),
            sa.ForeignKey("recordings.sha256", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("precision", sa.Text),
        sa.Column("checksum", sa.String(64)),
        sa.Column("granularity", sa.Text, nullable=False),
        sa.Column("channel", sa.Integer),
        sa.Column("emotion", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        *_scores(),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("emovox", sa.Text),
        sa.Column("outputs", sa.Text, index=True),
    )
    op.create_index("recognitions_created", "recognitions", ["created", "id"])
    op.create_index("recognitions_emotion", "recognitions", ["emotion", "created", "id"])
    op.create_table(
        "segments",
        sa.Column(
            "recognition", sa.String(64), sa.ForeignKey("recognitions.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("emotion", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        *_scores(),
        sa.Column("channel", sa.Integer),
    )
    op.create_table(
        "tags",
        sa.Column(
            "recording", sa.String(64), sa.ForeignKey("recordings.sha256", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.String(100), primary_key=True, index=True),
    )
    op.create_table(
        "spaces",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("token", sa.String(16), nullable=False),
        sa.Column("deletions", sa.Integer, nullable=False),
        sa.UniqueConstraint("model", "revision", "dimensions", "kind"),
    )
    op.create_table(
        "embeddings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "recognition", sa.String(64), sa.ForeignKey("recognitions.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("segment", sa.Integer, nullable=False),
        sa.Column("space", sa.Integer, sa.ForeignKey("spaces.id"), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("recognition", "segment"),
        sqlite_autoincrement=True,
    )
    op.create_index("embeddings_space", "embeddings", ["space", "id"])
    op.create_table(
        "fits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "space", sa.Integer, sa.ForeignKey("spaces.id", ondelete="CASCADE"), nullable=False, unique=True
        ),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("mean", sa.LargeBinary, nullable=False),
        sa.Column("whitening", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
