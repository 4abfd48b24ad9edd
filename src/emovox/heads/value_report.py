"""The report of a training of values: how well they agree with held-out ratings, and which ratings to check."""

from functools import partial
from math import isnan

from emovox.evaluation.groups import plural, resampling
from emovox.evaluation.html_page import Page
from emovox.evaluation.plots import draw_values
from emovox.evaluation.value_metrics import FIGURES
from emovox.heads.value_training import TrainedValues


def value_report(trained: TrainedValues) -> Page:
    """The page about a trained head of values."""
    head, fit = trained.head, trained.fit
    facts, model = head.training, head.model
    noun, nouns = facts.noun, plural(facts.noun)
    assert head.range is not None  # noqa: S101  a head of values has one
    low, high = head.range
    page = Page(f"Head “{head.name}”")
    page.text(
        f"{', '.join(head.values)} from {low:g} to {high:g}, on embeddings of {model.name} {model.revision}; "
        f"trained on {facts.created_at:%Y-%m-%d %H:%M} UTC by Emovox {facts.emovox}."
    )
    page.text(_how(trained))
    page.heading("Agreement")
    if fit.folds:
        page.table(
            ["", "figure", "", "95 % from", "to"],
            [
                (name, words, *map(_number, (getattr(measures, figure), *fit.intervals[name][figure])))
                for name, measures in fit.measures.items()
                for figure, words in FIGURES.items()
            ],
        )
        page.table(["", nouns], list(facts.clips.items()))
        page.text(f"Intervals: {resampling(facts.group, facts.groups or 0, nouns)}.", note=True)
        draw = partial(
            draw_values,
            values=fit.predictions,
            labels=fit.held_out.ratings,
            titles=head.values,
            limits=head.range,
        )
        page.picture(draw, "Held-out values over ratings")
        page.heading("Ratings to check")
        _doubts(page, trained)
    else:
        page.table(["", nouns], list(facts.clips.items()))
        page.text("Too few groups to hold any out: nothing was measured.")
    if trained.failures:
        page.heading("Left out")
        page.text(f"These {nouns} could not be used; no figure above counts them.")
        page.table([noun, "why"], trained.failures)
    return page


def _how(trained: TrainedValues) -> str:
    facts = trained.head.training
    kind = f"Ridge regression, penalty {facts.penalty:g}"
    if not facts.folds:
        return f"{kind}."
    apart = f"by {facts.group} ({facts.groups} of them)" if facts.group else "one by one"
    voices = "" if facts.group else (
        " The speakers are not known, so the figures flatter: the head may have been fitted to other "
        f"{plural(facts.noun)} of a voice that was held out. Add a column “speaker”."
    )  # fmt: skip
    return (
        f"{kind}. Measured on what was held out in {facts.folds} parts, {apart}. The penalty was chosen on the "
        f"same parts, which flatters the figures a little.{voices}"
    )


def _doubts(page: Page, trained: TrainedValues) -> None:
    noun = trained.head.training.noun
    if not trained.doubts:
        page.text(f"None: no rating is far from what the head gave when the {noun} was held out.")
        return
    page.text(
        "When these were held out, the head was farthest from their rating. Some ratings will be wrong, some "
        f"{plural(noun)} ambiguous, and sometimes the head is wrong: listen to them."
    )
    page.table(
        [noun, "value", "rating", "head"],
        [(doubt.name, doubt.value, doubt.rating, doubt.prediction) for doubt in trained.doubts],
    )


def _number(figure: float) -> float | str:
    """For a table: a figure that is undefined is a dash."""
    return "–" if isnan(figure) else figure
