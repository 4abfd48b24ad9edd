"""The schema: the archive's tables, as the migrations make them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from emovox.emotions import NAMES

HEAD = "0013"  # the newest migration

metadata = MetaData()


def _scores() -> list[Column[Any]]:
    return [Column(name, Float) for name in NAMES]  # null: the model doesn't give the nine


recordings = Table(
    "recordings",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", Text),
    Column("link", Text),  # where it was when it was recognised: a path or an address
    Column("duration", Float),  # seconds
    Column("sample_rate", Integer),
    Column("channels", Integer),
    Column("codec", Text),
    Column("created", Float, nullable=False),  # seconds since 1970, when it was first archived
)

recognitions = Table(
    "recognitions",
    metadata,
    Column("id", String(64), primary_key=True),  # as `ArchiveRecord.id`
    Column("recording", ForeignKey("recordings.sha256", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("day", String(10), nullable=False),  # YYYY-MM-DD, local
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("precision", Text),
    Column("checksum", String(64)),
    Column("granularity", Text, nullable=False),
    Column("channel", Integer),
    Column("emotion", String(16)),
    Column("confidence", Float),
    *_scores(),
    Column("speech", Float),  # seconds of it: of the channel that was recognised, not the recording
    Column("warnings", Text, nullable=False),  # codes between spaces
    Column("emovox", Text),
    Column("outputs", Text, index=True),  # the outputs directory; beside an SQLite file relative to it
    Column("baseline", Text),  # the name of the one that it was recognised with; the scores are without it
    Column("baseline_count", Integer),
    Column("baseline_checksum", String(64)),
    Column("baseline_expectation", Text),  # JSON: share by emotion
    Column("baseline_shift", Text),  # JSON: by readout and label, what it added to logits
    Column("baseline_temperatures", Text),  # JSON: by length, what the sum was divided by
    Column("emotions", Text),  # JSON: which of the nine each label is, where its name doesn't say it
    Column("side", Text),  # whose voice it is, as was declared
    Column("policy", Text),  # JSON: what the policy decided
    Column("summary", Text),  # JSON: what its segments come to, as the scores without a baseline
    Column("summary_recognized", Text),  # JSON: with the baseline that it was recognised with, if any
    Column("purpose", Text),  # what it was recognised for, as was declared
    Column("consent", Text),  # where the consent is kept, as was declared
    Index("recognitions_created", "created", "id"),
    Index("recognitions_purpose", "purpose", "created"),
    Index("recognitions_emotion", "emotion", "created", "id"),
)

segments = Table(
    "segments",
    metadata,
    Column("recognition", ForeignKey("recognitions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("emotion", String(16)),
    Column("confidence", Float),
    *_scores(),
    Column("channel", Integer),
    Column("values", Text),  # JSON: of each readout that gives values, those by their names; null: there are none
    Index("segments_confidence", "confidence", "recognition", "number"),
)

corrections = Table(  # what people say of segments; they stay with the recording, however it is recognised again
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),  # grows, and none comes twice
    Column("recording", ForeignKey("recordings.sha256", ondelete="CASCADE"), nullable=False, index=True),
    Column("channel", Integer),  # that was recognised alone; null: all together
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("label", String(100), nullable=False),
    Column("said", Text),  # by the model: its emotion, or the class of its own that led
    Column("confidence", Float),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("author", Text),  # name of an API key; null: none was needed
    Column("created", Float, nullable=False),
    sqlite_autoincrement=True,
)

directories = Table(  # the outputs directories that there are; several may be copies with one recognition
    "directories",
    metadata,
    Column("path", Text, primary_key=True),  # as `recognitions.outputs`
    Column("parent", Text, nullable=False),
    Column("position", Text, nullable=False),  # by which it stands in a list: see `emovox.archive.rows.position`
    Column("recognition", ForeignKey("recognitions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("modified", BigInteger, nullable=False),  # nanoseconds since 1970, of result.json; 0: to be read
    Column("name", Text),  # of the recording, and its duration, in this recognition: recordings have their first
    Column("duration", Float),
    Index("directories_position", "parent", "position"),
)

tags = Table(
    "tags",
    metadata,
    Column("recording", ForeignKey("recordings.sha256", ondelete="CASCADE"), primary_key=True),
    Column("name", String(100), primary_key=True, index=True),
)

flags = Table(  # named rules that find moments
    "flags",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("rule", Text, nullable=False),  # as `Rule` writes it
    Column("created", Float, nullable=False),
)

spaces = Table(  # embeddings of one space can be compared, and never those of two
    "spaces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("kind", String(16), nullable=False),  # recording or segment
    Column("token", String(16), nullable=False),  # random: tells it from a space of another database, in caches
    Column("deletions", Integer, nullable=False),  # of its rows so far: tells caches to follow
    UniqueConstraint("model", "revision", "dimensions", "kind"),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("id", Integer, primary_key=True),  # grows, and none comes twice
    Column("recognition", ForeignKey("recognitions.id", ondelete="CASCADE"), nullable=False),
    Column("segment", Integer, nullable=False),  # its number; -1: the whole recording's
    Column("space", ForeignKey("spaces.id"), nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float16, little-endian
    UniqueConstraint("recognition", "segment"),
    Index("embeddings_space", "space", "id"),
    sqlite_autoincrement=True,
)

fits = Table(  # how a space is centred and whitened
    "fits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("space", ForeignKey("spaces.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("rows", Integer, nullable=False),  # of the space when it was fitted
    Column("mean", LargeBinary, nullable=False),  # float32 (D,)
    Column("whitening", LargeBinary, nullable=False),  # float32 (D, D)
    sqlite_autoincrement=True,
)
