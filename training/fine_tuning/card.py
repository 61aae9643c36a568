"""The model card of ratings."""

from modalities.classification.fine_tuned import FineTunedFacts
from training.classification.costs import TrainingFacts


def rating_card(model: FineTunedFacts, facts: TrainingFacts, licence: str) -> str:
    """A page about a version: its data, errors and correlations with intervals, its cost."""
    numbers = facts.metrics
    rows = [
        f"| {title} | {numbers[name]:.3f} ({numbers[f'{name}_low']:.3f} to {numbers[f'{name}_high']:.3f}) |"
        for name, title in (
            ("mae", "mean absolute error"),
            ("rmse", "root mean squared error"),
            ("pearson", "Pearson correlation"),
            ("spearman", "Spearman correlation"),
        )
    ]
    return "\n".join(
        [
            f"# Ratings of {model.kind}",
            "",
            f"A fine-tuned `{model.encoder}`, trained by the recipe `{facts.recipe}` on `{model.dataset[:80]}`.",
            "",
            f"- It answers with a number from {model.lowest:g} to {model.highest:g}.",
            f"- Licence of the data: {licence or 'not stated'}",
            facts.origin,
            "",
            f"## Measured on {numbers['test_items']:.0f} test items",
            "",
            "| | value (95 % interval by bootstrap) |",
            "|---|---|",
            *rows,
            f"| root mean squared error of always saying the mean | {numbers['baseline_rmse']:.3f} |",
            "",
            "![Loss](losses.png) ![Ratings](ratings.png)",
            "",
            "## Limits",
            "",
            "It repeats the preferences of those who rated. Do not let it decide alone about people.",
            "",
        ]
    )
