"""Large files in parts: each part goes straight to the S3 server by a link, in any order, and again if it broke off."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from flows.ingest import NAME_METADATA
from flows.running.platform import Space
from gateway.errors import NotThere, WrongInput
from gateway.http.incoming_files import file_name
from storage.bucket import Bucket
from storage.errors import ObjectNotFound, TooLarge

_PREFIX = "gateway/uploads/"
_SMALLEST_PART, _MOST_PARTS = 8 * 1024 * 1024, 5000
_LINK_LIFETIME = timedelta(hours=1)
_KEPT = timedelta(days=2)


class Part(BaseModel):
    """One part: PUT its `size` bytes to `url` unless it is `there`."""

    number: int
    size: int
    there: bool
    url: str


class Upload(BaseModel):
    """An upload in parts; the links are good for an hour, and asking again gives new ones."""

    id: UUID
    name: str
    size: int
    part_size: int
    parts: list[Part]


class _Plan(BaseModel):
    """What is kept of an upload until it is complete."""

    id: UUID = Field(default_factory=uuid4)
    project: str
    name: str
    size: int
    part_size: int
    begun: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def sizes(self) -> list[int]:
        whole, rest = divmod(self.size, self.part_size)
        return [self.part_size] * whole + ([rest] if rest else [])

    def key(self, number: int) -> str:
        return f"tmp/{self.id}/{number:05}"


FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


def begin(space: Space, name: str, size: int) -> Upload:
    """Plan an upload. Raises TooLarge."""
    limit = space.platform.settings.gateway_upload_mb * 1_000_000
    if size > limit:
        raise TooLarge(f"The file is larger than the limit of {limit / 1e6:.0f} MB.")
    bucket = space.platform.bucket
    _forget_old(bucket)
    part_size = max(_SMALLEST_PART, -(-size // _MOST_PARTS))
    plan = _Plan(project=space.project, name=name, size=size, part_size=part_size)
    bucket.create(f"{_PREFIX}{plan.id}.json", plan.model_dump_json().encode(), media_type="application/json")
    return _shown(bucket, plan)


def standing(space: Space, upload: UUID) -> Upload:
    """How far an upload is, with new links. Raises NotThere."""
    return _shown(space.platform.bucket, _plan(space, upload))


def put_together(space: Space, upload: UUID) -> str:
    """The key of the whole file. Raises NotThere, and WrongInput while parts are missing."""
    bucket, plan = space.platform.bucket, _plan(space, upload)
    missing = [part.number for part in _shown(bucket, plan).parts if not part.there]
    if missing:
        raise WrongInput(f"Of the parts of {plan.name}, {len(missing)} are missing or not whole: first {missing[0]}.")
    key = f"tmp/{uuid4()}"
    keys = [plan.key(number) for number in range(1, len(plan.sizes()) + 1)]
    bucket.compose(keys, key, metadata={NAME_METADATA: file_name(plan.name)})
    return key


def forget(space: Space, upload: UUID) -> None:
    """Remove what an upload left. Raises NotThere."""
    plan = _plan(space, upload)
    _remove(space.platform.bucket, plan)


def _shown(bucket: Bucket, plan: _Plan) -> Upload:
    there = {found.key: found.size for found in bucket.objects(f"tmp/{plan.id}/")}
    parts = [
        Part(
            number=number,
            size=size,
            there=there.get(plan.key(number)) == size,
            url=bucket.presign_put(plan.key(number), expires=_LINK_LIFETIME),
        )
        for number, size in enumerate(plan.sizes(), start=1)
    ]
    return Upload(id=plan.id, name=plan.name, size=plan.size, part_size=plan.part_size, parts=parts)


def _plan(space: Space, upload: UUID) -> _Plan:
    try:
        plan = _Plan.model_validate_json(space.platform.bucket.get(f"{_PREFIX}{upload}.json"))
    except ObjectNotFound as error:
        raise NotThere(f"Project {space.project} has no upload {upload}.") from error
    if plan.project != space.project:
        raise NotThere(f"Project {space.project} has no upload {upload}.")
    return plan


def _forget_old(bucket: Bucket) -> None:
    """Uploads that nobody went on with."""
    for found in list(bucket.objects(_PREFIX)):
        if found.modified and datetime.now(UTC) - found.modified > _KEPT:
            _remove(bucket, _Plan.model_validate_json(bucket.get(found.key)))


def _remove(bucket: Bucket, plan: _Plan) -> None:
    bucket.remove_all([found.key for found in bucket.objects(f"tmp/{plan.id}/")])
    bucket.remove(f"{_PREFIX}{plan.id}.json")
