"""The report of a training: how well the head does, how sure it may be, and which labels to check."""

from collections.abc import Sequence
from functools import partial

from emovox.evaluation.groups import plural
from emovox.evaluation.html_page import Page
from emovox.evaluation.plots import draw_confusions, draw_curve, draw_reliability
from emovox.heads.training import Trained


def head_report(trained: Trained) -> Page:
    """The page about a trained head."""
    head, fit = trained.head, trained.fit
    facts, model = head.training, head.model
    page = Page(f"Head “{head.name}”")
    nouns = plural(facts.noun)
    examples = f"{sum(facts.clips.values())} {'corrected ' if facts.corrections else ''}{nouns}"
    page.text(
        f"{len(head.classes)} classes from {examples}, on embeddings of {model.name} {model.revision}; "
        f"trained on {facts.created_at:%Y-%m-%d %H:%M} UTC by Emovox {facts.emovox}."
    )
    page.text(_how(trained))
    page.heading("Recall")
    if fit.before is None or fit.after is None:
        page.table(["class", nouns], list(facts.clips.items()))
        page.text(f"Too few {nouns} or groups to hold any out: nothing was measured.")
    else:
        _measured(page, trained)
    if trained.failures:
        page.heading("Left out")
        page.text(f"These {nouns} could not be used; no figure above counts them.")
        page.table([facts.noun, "why"], trained.failures)
    return page


def _how(trained: Trained) -> str:
    facts = trained.head.training
    kind = "Prototypes: the nearest class mean" if facts.penalty is None else (
        f"Regularised logistic regression, penalty {facts.penalty:g}"
    )  # fmt: skip
    start = ", started from the model's own head" if facts.own_head else ""
    if not facts.folds:
        return f"{kind}{start}."
    apart = f"by {facts.group} ({facts.groups} of them)" if facts.group else "one by one"
    choice = " Method and penalty were chosen on the same parts, which flatters the figures a little."
    chosen = choice if trained.fit.chosen else ""
    voices = "" if facts.group else (
        " The speakers are not known, so the figures flatter: the head may have been fitted to other "
        f"{plural(facts.noun)} of a voice that was held out. Add a column “speaker”."
    )  # fmt: skip
    return f"{kind}{start}. Measured on what was held out in {facts.folds} parts, {apart}.{chosen}{voices}"


def _measured(page: Page, trained: Trained) -> None:
    fit, classes, noun = trained.fit, trained.head.classes, trained.head.training.noun
    nouns = plural(noun)
    assert fit.before is not None  # noqa: S101
    assert fit.after is not None  # noqa: S101
    after = fit.after
    page.text(
        f"Unweighted {100 * after.unweighted:.1f} % (chance {100 / len(classes):.1f} %), weighted "
        f"{100 * after.weighted:.1f} %, macro F1 {after.macro_f1:.3f}."
    )
    counts = fit.held_out.counts
    page.table(
        ["class", nouns, "recall", "95 %", "mistaken for"],
        [
            (name, counts[name], after.recalls[name], _between(trained, name), _instead(trained, name))
            for name in after.classes
        ],
    )
    if alone := _alone(trained):
        page.text(
            f"{', '.join(alone)}: all {nouns} are of one {trained.head.training.group}, so the head that is "
            "measured on them has no example of the class; its recall says nothing."
        )
    page.picture(partial(draw_confusions, tables={"held out": after.to_dict()}, names=classes), "Confusion matrix")
    page.heading("Calibration")
    page.text(
        f"Expected calibration error {fit.before.calibration_error:.3f}, and {after.calibration_error:.3f} with "
        f"logits divided by the temperature {fit.temperature:.2f}, as in the head (each part with the temperature "
        f"of the others; on few {nouns} it keeps the head unsure, even if all of them are right). On the line, "
        f"a confidence of 70 % is right for 70 % of the {nouns}."
    )
    page.picture(
        partial(draw_reliability, tables={"before": fit.before.to_dict(), "after": after.to_dict()}),
        "Reliability before and after",
    )
    if fit.curve:
        page.heading(f"Would more {nouns} help?")
        page.picture(partial(draw_curve, curve=fit.curve, chance=1 / len(classes)), "Learning curve")
        page.table(
            ["examples of a class", "unweighted recall", "lowest draw", "highest draw"],
            [(size, mean, low, high) for size, low, mean, high in fit.curve],
        )
        page.text(f"Held-out recall with fewer {nouns} of each class, drawn at random.", note=True)
    page.heading("Labels to check")
    if not trained.doubts:
        page.text(f"None: the head agrees with the label of every {noun} that was held out.")
        return
    page.text(
        "When these were held out, the head disagreed with their label; the surest come first. Some labels will "
        f"be wrong, some {nouns} ambiguous, and sometimes the head is wrong: listen to them."
    )
    rows = [
        (doubt.name, doubt.label, doubt.prediction, why)
        for doubt, why in zip(trained.doubts, _why(trained), strict=True)
    ]
    page.table([noun, "label", "head", "why"], rows)


def _between(trained: Trained, name: str) -> str:
    low, high = trained.head.training.intervals[name]
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def _instead(trained: Trained, name: str) -> str:
    """The class that it is most often mistaken for."""
    after, classes = trained.fit.after, trained.head.classes
    assert after is not None  # noqa: S101
    row = after.confusion[classes.index(name)].copy()
    row[classes.index(name)] = 0
    return f"{classes[int(row.argmax())]} ({int(row.max())})" if row.any() else ""


def _alone(trained: Trained) -> list[str]:
    """Classes whose recordings are all of one group."""
    examples = trained.fit.held_out
    if examples.groups is None:
        return []
    by_label: dict[int, set[str]] = {}
    for label, group in zip(examples.labels.tolist(), examples.groups, strict=True):
        by_label.setdefault(label, set()).add(group)
    return [examples.classes[label] for label, groups in sorted(by_label.items()) if len(groups) == 1]


def _why(trained: Trained) -> Sequence[str]:
    return [
        f"{100 * doubt.confidence:.0f} % {doubt.prediction}, {100 * doubt.score:.0f} % {doubt.label}"
        for doubt in trained.doubts
    ]
