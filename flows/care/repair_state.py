"""The state of a repair in progress."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.running.context import RunContext
from media.errors import ItemError
from modalities.contract import Request
from storage.care.inspection import Inventory, Problem
from storage.care.quarantine import quarantine_object


@dataclass
class RepairState:
    """The problems of a project, what is known of its bucket, and why problems could not be repaired."""

    context: RunContext
    contents: Inventory
    problems: list[Problem]
    started: datetime
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a problem could not be repaired, by its subject."""
    unrepaired: set[str] = field(default_factory=set)
    """Subjects of problems whose object is in quarantine without a replacement."""
    to_answer: list[Request[Any]] = field(default_factory=list)
    """Requests of broken recipes, to answer again."""

    def problems_of(self, *kinds: str) -> list[Problem]:
        """List the problems of these kinds."""
        return [problem for problem in self.problems if problem.kind in kinds]

    def set_aside(self, problem: Problem) -> bytes:
        """Move the object of a problem to quarantine; return its bytes."""
        space = self.context.space
        data = space.platform.bucket.get(problem.key)
        quarantine_object(
            space.platform.bucket,
            problem.key,
            project=space.project,
            reason=problem.sentence,
            when=self.started,
        )
        return data

    def recipe_key(self, request: Request[Any]) -> str | None:
        """Return the key of the recipe that the request has today; None if the catalogue does not know the model."""
        try:
            return self.context.space.answers.recipe(request).key
        except ItemError:
            return None
