"""The tools: each gives a small answer of what the library and the archive say, and nothing of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emovox import use_log
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.view import View
from emovox.assistants import accounts
from emovox.assistants.answers import (
    Account,
    Comparison,
    Course,
    Listing,
    Matches,
    Neighbours,
    Record,
    Verdict,
    When,
)
from emovox.assistants.recordings import COMMAND, Declaration, Progress, Recordings
from emovox.errors import FramesError, OptionsError
from emovox.inference.recognition import WARNINGS
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.moments import Moment
    from emovox.archive.record import ArchiveRecord

MOST_RECORDINGS, MOST_RECORDS, MOST_SEGMENTS, MOST_POINTS, MOST_MOMENTS = 200, 50, 100, 200, 10


class Tools:
    """What an assistant may ask. Its methods take long: they are for threads."""

    def __init__(self, recordings: Recordings) -> None:
        """Begin with the recordings that it may ask about."""
        self._recordings = recordings

    def list_recordings(self, folder: str | None, name: str | None, limit: int) -> Listing:
        """The recordings in one folder or all, whose names have a part in them."""
        folders = self._recordings.folders
        names = [item for item in folders.recordings(folder) if (name or "").casefold() in item.casefold()]
        return Listing(folders=folders.names, recordings=names[:limit], count=len(names))

    def recognize(
        self, recording: str, channel: int | None, declared: Declaration, language: str | None, progress: Progress
    ) -> Verdict:
        """The verdict on a recording."""
        recognition = self._recordings.recognition(
            recording, channel=channel, declared=declared, progress=progress
        )
        outputs = recording if recording.startswith("outputs_") else None
        return accounts.verdict(recognition, recording, _language(language), outputs)

    def save(
        self, recording: str, channel: int | None, declared: Declaration, language: str | None, progress: Progress
    ) -> Verdict:
        """The verdict on a recording, which is stored."""
        recognition, directory = self._recordings.save(
            recording, channel=channel, declared=declared, progress=progress
        )
        return accounts.verdict(recognition, recording, _language(language), directory.name)

    def timeline(
        self, recording: str, channel: int | None, start: float, end: float | None, points: int, progress: Progress
    ) -> Course:
        """Segments and curve of a stretch of a recording.

        Raises:
            OptionsError: the stretch is empty.
        """
        recognition = self._recordings.recognition(recording, channel=channel, progress=progress)
        duration = recognition.recording.duration
        last = duration if end is None else min(end, duration)
        if start >= last:
            raise OptionsError(f"nothing from {start:g} to {last:g} s: the recording has {duration:.2f} s")
        inside = [item for item in recognition.segments or () if item.end > start and item.start < last]
        curve, note = None, None
        if not recognition.is_inferred:
            note = WARNINGS["not_inferred"]
        elif recognition.frames is None:
            note = "there is no curve: it was stored without the scores of frames, or the policy leaves them out"
        else:
            try:
                curve = accounts.series(recognition.frames, start, last, points)
            except FramesError as error:
                note = str(error)
        return Course(
            recording=recording,
            duration=round(duration, 2),
            start=round(start, 2),
            end=round(last, 2),
            segments=[accounts.stretch(vars(item)) for item in inside[:MOST_SEGMENTS]],
            left_out=max(len(inside) - MOST_SEGMENTS, 0),
            curve=curve,
            note=note,
        )

    def summarize(self, recording: str, channel: int | None, language: str | None, progress: Progress) -> Account:
        """What a recording comes to."""
        recognition = self._recordings.recognition(recording, channel=channel, progress=progress)
        return accounts.account(recognition, recording, _language(language))

    def compare(
        self,
        first: str,
        second: str,
        first_channel: int | None,
        second_channel: int | None,
        language: str | None,
        progress: Progress,
    ) -> Comparison:
        """Two recordings, or two channels of one, side by side."""
        one = self._recordings.recognition(first, channel=first_channel, progress=progress)
        two = self._recordings.recognition(second, channel=second_channel, progress=progress)
        one_account, two_account = (
            accounts.account(item, name, _language(language)) for item, name in ((one, first), (two, second))
        )
        return Comparison(
            first=one_account,
            second=two_account,
            scores=accounts.pairs(one.scores or {}, two.scores or {}),
            shares=accounts.pairs(one_account.shares, two_account.shares, everything=True),
            values=accounts.pairs(one_account.values or {}, two_account.values or {}),
            cautions=accounts.cautions(one, two),
        )

    def search(
        self,
        filters: Sequence[str],
        rule: str | None,
        baseline: str | None,
        limit: int,
        before: str | None,
        language: str | None,
    ) -> Matches:
        """A page of the archive, with how much there is of what the filters mean."""
        where = Filter.parse(filters).allowed()
        use_log.log("read", command=f"{COMMAND} search")
        with Archive(make=False) as archive:
            if archive.is_empty():
                return Matches(records=[], note="the archive is empty: `emovox recognize --archive` fills it")
            view = View.of(archive, where, baseline)
            if rule is not None:
                flag_rule = archive.flags.rule(rule)
                page, following = view.find_moments(flag_rule, limit=limit, before=before)
                blind = view.without_segments(flag_rule)
                return Matches(
                    records=[self._record(item.record, language, item.moments) for item in page],
                    next=following,
                    note=f"{blind} more have no segments to look into" if blind else None,
                )
            records, following = view.find(limit=limit, before=before)
            stats = archive.stats(where)
            return Matches(
                records=[self._record(record, language) for record in records],
                recognitions=stats.recognitions,
                seconds=round(stats.seconds, 1),
                by_emotion=dict(stats.by_emotion),
                next=following,
            )

    def similar(
        self,
        recording: str,
        filters: Sequence[str],
        segments: bool,
        limit: int,
        language: str | None,
        progress: Progress,
    ) -> Neighbours:
        """What in the archive sounds most like a recording."""
        where = Filter.parse(filters)
        use_log.log("read", command=f"{COMMAND} similar")
        with Archive(make=False) as archive:
            to = self._recordings.to_compare(recording, archive, progress=progress)
            near = archive.similar(to, k=limit, where=where, segments=segments)
            return Neighbours(
                records=[
                    self._record(item.record, language).model_copy(
                        update={
                            "similarity": round(item.similarity, accounts.DIGITS),
                            "segment": None if item.segment is None else accounts.stretch(item.segment),
                        }
                    )
                    for item in near
                ]
            )

    def _record(
        self, record: "ArchiveRecord", language: str | None, moments: "Sequence[Moment] | None" = None
    ) -> Record:
        outputs = record.outputs
        stored = outputs is not None and outputs.parent == settings().outputs.absolute() and outputs.is_dir()
        return Record(
            id=record.id[:12],
            recording=self._recordings.folders.name(record.link),
            outputs=outputs.name if stored and outputs is not None else None,
            name=record.name,
            created=record.created.astimezone().isoformat(timespec="seconds"),
            duration=None if record.duration is None else round(record.duration, 2),
            channel=record.channel,
            side=record.side,
            emotion=record.emotion,
            confidence=accounts.rounded(record.confidence),
            headline=None if record.summary is None else record.summary.headline.in_language(_language(language)),
            tags=list(record.tags),
            model=f"{record.model} {record.revision}".strip(),
            moments=None
            if moments is None
            else [
                When(start=round(item.start, 2), end=round(item.end, 2), peak=round(item.peak, accounts.DIGITS))
                for item in moments[:MOST_MOMENTS]
            ],
        )


def _language(language: str | None) -> str:
    return language or settings().labels
