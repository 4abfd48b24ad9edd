"""The schemas of the tables."""

from functools import cache
from typing import Any, Literal, get_args

from emovox.emotions import NAMES
from emovox.inference.raw import WITHOUT

Version = Literal["0.1", "0.2", "0.3"]
VERSIONS: tuple[Version, ...] = get_args(Version)
RECOGNITIONS, ERRORS, FIRST_PASS = "recognitions", "errors", "first_pass"


@cache
def schema(
    table: str, *, since: Version = "0.3", baseline: bool = False, sides: bool = False, notes: bool = False
) -> Any:
    """Arrow's schema of a table.

    Args:
        table: which.
        since: as it is since this version: 0.1 knew a trained head alone, and 0.2 had that beside all readouts.
        baseline: with the columns of what is relative to one.
        sides: with the columns of whose voice it is and what the policy decided.
        notes: with the columns of purpose and consent.
    """
    import pyarrow as pa  # noqa: PLC0415  an extra

    text, number, features = pa.string(), pa.float64(), pa.list_(pa.float32())
    if table == ERRORS:
        return pa.schema([("path", text), ("reason", text)])
    if table == FIRST_PASS:
        return pa.schema(
            [
                ("path", text),
                ("sha256", text),
                ("duration", number),
                ("channel", pa.int32()),
                ("created_at", pa.timestamp("us", "UTC")),
                ("speech", features),
                ("state", pa.large_binary()),
                ("outputs", text),
                ("link", text),
                ("same", pa.bool_()),
            ]
        )
    verdict = [("emotion", text), ("confidence", number), *((name, number) for name in NAMES)]
    without = [(f"{name}{WITHOUT}", kind) for name, kind in verdict] if baseline else []
    nine = pa.list_(pa.list_(pa.float32(), len(NAMES)))
    fields = [("label", text), ("confidence", number), ("scores", pa.map_(text, number))]
    limits = ("range", pa.list_(number))
    raw = [(f"scores{WITHOUT}", pa.map_(text, number))] if baseline else []
    result = pa.struct([("kind", text), *fields, ("values", pa.map_(text, number)), limits, *raw])
    curve = pa.struct(
        [
            ("kind", text),
            ("labels", pa.list_(text)),
            limits,
            *((name, pa.list_(features)) for name in ("logits", "scores", "values")),
        ]
    )
    whole = [] if since == "0.1" else [("readouts", pa.map_(text, result))]
    curves = [] if since == "0.1" else [("readouts", pa.map_(text, curve))]
    old = since != "0.3"
    segment = pa.struct(
        [
            ("start", number),
            ("end", number),
            *verdict,
            ("embedding", features),
            *([("head", pa.struct(fields))] if old else []),
            *whole,
            *without,
        ]
    )
    frames = pa.struct(
        [
            ("hop", number),
            ("first_centre", number),
            ("smoothing", number),
            ("logits", nine),
            ("scores", nine),
            *([("head_labels", pa.list_(text)), ("head_scores", pa.list_(features))] if old else []),
            *curves,
        ]
    )
    return pa.schema(
        [
            ("path", text),
            ("sha256", text),
            ("duration", number),
            ("speech", number),
            ("sample_rate", pa.int32()),
            ("channels", pa.int32()),
            ("channel", pa.int32()),
            ("codec", text),
            *verdict,
            ("warnings", pa.list_(text)),
            ("model", text),
            ("model_revision", text),
            ("precision", text),
            ("model_checksum", text),
            ("embedding", features),
            ("segments", pa.list_(segment)),
            ("frames", frames),
            ("frame_embeddings", pa.list_(features)),
            *([("head", pa.struct([("name", text), *fields]))] if old else []),
            ("outputs", text),
            *whole,
            *without,
            *(
                [("baseline", text), ("baseline_checksum", text), ("baseline_shift", pa.map_(text, number))]
                if baseline
                else []
            ),
            *([("side", text), ("policy", text)] if sides else []),
            *([("purpose", text), ("consent", text)] if notes else []),
        ]
    )
