"""Resumable uploads: clients PUT the parts of a large file, in any order, and retry lost ones."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from flows.ingest import NAME_METADATA
from flows.running.platform import Space
from gateway.errors import NotFound, WrongInput
from gateway.http.uploads.incoming_files import encoded_file_name
from storage.bucket import Bucket
from storage.errors import ObjectNotFound, TooLarge

_PREFIX = "gateway/uploads/"
_MIN_PART_BYTES, _MAX_PARTS = 8 * 1024 * 1024, 5000
_URL_LIFETIME = timedelta(hours=1)
_RETENTION = timedelta(days=2)


class Part(BaseModel):
    """One part of `size` bytes. PUT it to `url`, with the token; `there` is true once it is stored.

    A URL of the S3 server is signed for this size, and no other.
    """

    number: int
    size: int
    there: bool
    url: str


class Upload(BaseModel):
    """An upload in parts. Their URLs are valid for an hour; read the upload again for new ones."""

    id: UUID
    name: str
    size: int
    part_size: int
    parts: list[Part]


class _Plan(BaseModel):
    """The stored state of an upload until it is complete; sizes in bytes."""

    id: UUID = Field(default_factory=uuid4)
    project: str
    name: str
    size: int
    part_size: int
    composed: str | None = None
    """The key of the whole file, once the parts were joined."""
    begun: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def sizes(self) -> list[int]:
        whole, rest = divmod(self.size, self.part_size)
        return [self.part_size] * whole + ([rest] if rest else [])

    def key(self, number: int) -> str:
        return f"tmp/{self.id}/{number:05}"


FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


def begin(space: Space, name: str, size: int, address: str) -> Upload:
    """Create an upload and remove expired ones. Raises TooLarge."""
    limit = space.platform.settings.gateway_upload_mb * 1_000_000
    if size > limit:
        raise TooLarge(f"The file is larger than the limit of {limit / 1e6:.0f} MB.")
    bucket = space.platform.bucket
    _remove_expired(bucket)
    part_size = max(_MIN_PART_BYTES, -(-size // _MAX_PARTS))
    plan = _Plan(project=space.project, name=name, size=size, part_size=part_size)
    bucket.create(f"{_PREFIX}{plan.id}.json", plan.model_dump_json().encode(), media_type="application/json")
    return _describe(space, plan, address)


def read(space: Space, upload: UUID, address: str) -> Upload:
    """Return the state of an upload, with new URLs. Raises NotFound."""
    return _describe(space, _read_plan(space, upload), address)


def put_part(space: Space, upload: UUID, number: int, data: bytes) -> None:
    """Store a part. Raises NotFound, and WrongInput if there is no such part or it has another size."""
    plan = _read_plan(space, upload)
    sizes = plan.sizes()
    if number > len(sizes):
        raise WrongInput(f"The upload has {len(sizes)} parts, and no part {number}.")
    if len(data) != sizes[number - 1]:
        raise WrongInput(f"Part {number} has {sizes[number - 1]} bytes, and {len(data)} came.")
    space.platform.bucket.put(plan.key(number), data)


def compose(space: Space, upload: UUID) -> str:
    """Join the parts into one object and return its key, which is the same when it is asked for again.

    Raises NotFound, and WrongInput while parts are missing.
    """
    bucket, plan = space.platform.bucket, _read_plan(space, upload)
    if plan.composed:
        return plan.composed
    missing = [part.number for part in _describe(space, plan, "").parts if not part.there]
    if missing:
        raise WrongInput(f"Of the parts of {plan.name}, {len(missing)} are missing or not whole: first {missing[0]}.")
    key = f"tmp/{plan.id}-whole"
    keys = [plan.key(number) for number in range(1, len(plan.sizes()) + 1)]
    bucket.compose(keys, key, metadata={NAME_METADATA: encoded_file_name(plan.name)})
    done = plan.model_copy(update={"composed": key})
    bucket.put(f"{_PREFIX}{plan.id}.json", done.model_dump_json().encode(), media_type="application/json")
    return key


def remove_parts(space: Space, upload: UUID) -> None:
    """Delete the parts of an upload whose job has begun. The plan stays for two days, for a repeated request."""
    bucket = space.platform.bucket
    bucket.remove_all([found.key for found in bucket.objects(f"tmp/{upload}/")])


def remove(space: Space, upload: UUID) -> None:
    """Delete an upload and its parts. Raises NotFound."""
    plan = _read_plan(space, upload)
    _remove(space.platform.bucket, plan)


def _describe(space: Space, plan: _Plan, address: str) -> Upload:
    """Return the state of an upload; parts go to `address`, or straight to the S3 server if that is public."""
    bucket, is_public = space.platform.bucket, space.platform.settings.s3_public_url is not None
    stored = {found.key: found.size for found in bucket.objects(f"tmp/{plan.id}/")}
    parts = [
        Part(
            number=number,
            size=size,
            there=plan.composed is not None or stored.get(plan.key(number)) == size,
            url=bucket.presign_put(plan.key(number), size, expires=_URL_LIFETIME)
            if is_public
            else f"{address}/{plan.id}/parts/{number}?project={plan.project}",
        )
        for number, size in enumerate(plan.sizes(), start=1)
    ]
    return Upload(id=plan.id, name=plan.name, size=plan.size, part_size=plan.part_size, parts=parts)


def _read_plan(space: Space, upload: UUID) -> _Plan:
    try:
        plan = _Plan.model_validate_json(space.platform.bucket.get(f"{_PREFIX}{upload}.json"))
    except ObjectNotFound as error:
        raise NotFound(f"Project {space.project} has no upload {upload}.") from error
    if plan.project != space.project:
        raise NotFound(f"Project {space.project} has no upload {upload}.")
    return plan


def _remove_expired(bucket: Bucket) -> None:
    """Remove uploads that were not completed within two days."""
    for found in list(bucket.objects(_PREFIX)):
        if found.modified and datetime.now(UTC) - found.modified > _RETENTION:
            _remove(bucket, _Plan.model_validate_json(bucket.get(found.key)))


def _remove(bucket: Bucket, plan: _Plan) -> None:
    bucket.remove_all([found.key for found in bucket.objects(f"tmp/{plan.id}/")])
    bucket.remove(f"{_PREFIX}{plan.id}.json")
