"""The report of a training: what the head hears, how sure it may be, and which labels to look at again."""

from collections.abc import Sequence
from functools import partial

from emovox.evaluation.html_page import Page
from emovox.evaluation.plots import draw_confusions, draw_curve, draw_reliability
from emovox.heads.training import Trained


def head_report(trained: Trained) -> Page:
    """The page about a head that was trained."""
    head, taught = trained.head, trained.taught
    facts, model = head.training, head.model
    page = Page(f"Head “{head.name}”")
    clips = sum(facts.clips.values())
    page.text(
        f"{len(head.classes)} classes from {clips} recordings, on embeddings of {model.name} {model.revision}; "
        f"trained on {facts.created_at:%Y-%m-%d %H:%M} UTC by Emovox {facts.emovox}."
    )
    page.text(_how(trained))
    page.heading("Recall")
    if taught.before is None or taught.after is None:
        page.table(["class", "recordings"], list(facts.clips.items()))
        page.text("Too few recordings or groups to hold any out: nothing was measured.")
    else:
        _measured(page, trained)
    if trained.failures:
        page.heading("Left out")
        page.text("These recordings could not be used, and nothing above counts them.")
        page.table(["recording", "why"], trained.failures)
    return page


def _how(trained: Trained) -> str:
    facts = trained.head.training
    kind = "Prototypes: the nearest class mean" if facts.penalty is None else (
        f"Regularised logistic regression, penalty {facts.penalty:g}"
    )  # fmt: skip
    start = ", started from the model's own head" if facts.own_head else ""
    if not facts.folds:
        return f"{kind}{start}."
    apart = f"by {facts.group} ({facts.groups} of them)" if facts.group else "recording by recording"
    chosen = " The same parts chose the method and its penalty, which flatters a little."
    flatters = chosen if trained.taught.chosen else ""
    known = "" if facts.group else (
        " Speakers are not known, so these figures flatter: a voice that was held out may have been learnt from. "
        "Add a column “speaker”."
    )  # fmt: skip
    return f"{kind}{start}. Measured on what was held out in {facts.folds} parts, {apart}.{flatters}{known}"


def _measured(page: Page, trained: Trained) -> None:
    taught, classes = trained.taught, trained.head.classes
    assert taught.before is not None  # noqa: S101
    assert taught.after is not None  # noqa: S101
    after = taught.after
    page.text(
        f"Unweighted {100 * after.unweighted:.1f} % (chance {100 / len(classes):.1f} %), weighted "
        f"{100 * after.weighted:.1f} %, macro F1 {after.macro_f1:.3f}."
    )
    counts = taught.heard.counts
    page.table(
        ["class", "recordings", "recall", "heard instead"],
        [(name, counts[name], after.recalls[name], _instead(trained, name)) for name in after.classes],
    )
    if alone := _alone(trained):
        page.text(
            f"{', '.join(alone)}: all recordings are of one {trained.head.training.group}, so a head without them "
            "can't know the class; its recall says nothing."
        )
    page.picture(partial(draw_confusions, tables={"held out": after.to_dict()}, names=classes), "Confusion matrix")
    page.heading("Calibration")
    page.text(
        f"Expected calibration error {taught.before.calibration_error:.3f}, and "
        f"{after.calibration_error:.3f} with logits divided by {taught.temperature:.2f}, as the head has them "
        "(each part with the temperature that the others gave; of few recordings it makes no certainty, whatever "
        "they were heard as). On the line, a confidence of 70 % is right in "
        "70 % of the recordings."
    )
    page.picture(
        partial(draw_reliability, tables={"before": taught.before.to_dict(), "after": after.to_dict()}),
        "Reliability before and after",
    )
    if taught.curve:
        page.heading("Would more recordings help?")
        page.picture(partial(draw_curve, curve=taught.curve, chance=1 / len(classes)), "Learning curve")
        page.table(
            ["examples of a class", "unweighted recall", "lowest draw", "highest draw"],
            [(size, mean, low, high) for size, low, mean, high in taught.curve],
        )
        page.text("Held-out recall with fewer recordings of each class, drawn at random.", note=True)
    page.heading("Labels to look at again")
    if not trained.doubts:
        page.text("None: everything held out was heard as it is labelled.")
        return
    page.text(
        "Held out, these were heard as something else than their label, the surest first. Some labels will be "
        "wrong, some recordings hard, and the head wrong about others: listen to them."
    )
    rows = [
        (doubt.name, doubt.label, doubt.heard, why)
        for doubt, why in zip(trained.doubts, _why(trained), strict=True)
    ]
    page.table(["recording", "label", "heard", "why"], rows)


def _instead(trained: Trained, name: str) -> str:
    """The class that it is most often taken for."""
    after, classes = trained.taught.after, trained.head.classes
    assert after is not None  # noqa: S101
    row = after.confusion[classes.index(name)].copy()
    row[classes.index(name)] = 0
    return f"{classes[int(row.argmax())]} ({int(row.max())})" if row.any() else ""


def _alone(trained: Trained) -> list[str]:
    """Classes whose recordings are all of one group."""
    heard = trained.taught.heard
    if heard.groups is None:
        return []
    spoken: dict[int, set[str]] = {}
    for label, group in zip(heard.labels.tolist(), heard.groups, strict=True):
        spoken.setdefault(label, set()).add(group)
    return [heard.classes[label] for label, groups in sorted(spoken.items()) if len(groups) == 1]


def _why(trained: Trained) -> Sequence[str]:
    return [
        f"sounds {100 * doubt.confidence:.0f} % {doubt.heard}, {100 * doubt.score:.0f} % {doubt.label}"
        for doubt in trained.doubts
    ]
