"""Whether answers helped: one small record for each opinion, in the bucket, until it is deleted."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import NotFound
from storage.bucket import Bucket
from storage.errors import ObjectNotFound

_PREFIX = "gateway/feedback/"


class Opinion(BaseModel):
    """What somebody says about an answer. The question is kept only if it is sent along."""

    model_config = ConfigDict(extra="forbid")

    helpful: bool
    known: bool = Field(default=True, description="Whether there was an answer; false for `I do not know`.")
    artifacts: list[str] = Field(default=[], max_length=10, description="The artifacts that the answer cites.")
    question: str = Field(default="", max_length=2000)


class Feedback(Opinion):
    """A kept opinion; who has it is not kept, and of the time only the day."""

    id: UUID = Field(default_factory=uuid4)
    day: date = Field(default_factory=lambda: datetime.now(UTC).date())


def keep_opinion(bucket: Bucket, project: str, opinion: Opinion) -> Feedback:
    """Keep an opinion."""
    feedback = Feedback(**opinion.model_dump())
    bucket.create(_key(project, feedback.id), feedback.model_dump_json().encode(), media_type="application/json")
    return feedback


def list_feedback(bucket: Bucket, project: str) -> list[Feedback]:
    """Return the opinions of a project, the oldest day first; those that cannot be read are left out."""
    found = [_read(bucket, each.key) for each in bucket.objects(f"{_PREFIX}{project}/")]
    return sorted((each for each in found if each), key=lambda each: (each.day, str(each.id)))


def remove_feedback(bucket: Bucket, project: str, feedback: UUID) -> None:
    """Delete an opinion. Raises NotFound."""
    if bucket.stat(_key(project, feedback)) is None:
        raise NotFound(f"Project {project} has no feedback {feedback}.")
    bucket.remove(_key(project, feedback))


def remove_all_feedback(bucket: Bucket, project: str) -> None:
    """Delete every opinion of a project."""
    bucket.remove_all(each.key for each in bucket.objects(f"{_PREFIX}{project}/"))


def _read(bucket: Bucket, key: str) -> Feedback | None:
    try:
        return Feedback.model_validate_json(bucket.get(key))
    except (ObjectNotFound, ValidationError):
        return None


def _key(project: str, feedback: UUID) -> str:
    return f"{_PREFIX}{project}/{feedback}.json"
