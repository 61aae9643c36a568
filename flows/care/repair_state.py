"""RepairState: what a repair knows while it goes on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.running.context import RunContext
from media.errors import ItemError
from modalities.contract import Request
from storage.care.inspection import Contents, Problem
from storage.care.quarantine import set_aside


@dataclass
class RepairState:
    """What a repair knows, and why it could not mend what it could not."""

    context: RunContext
    contents: Contents
    problems: list[Problem]
    started: datetime
    reasons: dict[str, str] = field(default_factory=dict)
    """By the subject of the problem."""
    given_up: set[str] = field(default_factory=set)
    """Subjects that are out of the way without being mended."""
    to_ask: list[Request[Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Problem]:
        return [problem for problem in self.problems if problem.kind in kinds]

    def set_aside(self, problem: Problem) -> bytes:
        """Move the object of a problem to quarantine; its bytes."""
        space = self.context.space
        data = space.platform.bucket.get(problem.key)
        set_aside(
            space.platform.bucket,
            problem.key,
            project=space.project,
            reason=problem.sentence,
            when=self.started,
        )
        return data

    def key(self, request: Request[Any]) -> str | None:
        """The key of a request's recipe as the catalogue is today; None when it does not know the model."""
        try:
            return self.context.space.answers.recipe(request).key
        except ItemError:
            return None
