"""/v1/embeddings: embed texts and pictures with models that stay loaded in the gateway."""

import base64
import binascii
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import WrongInput
from gateway.http.access import Caller, Viewer
from gateway.http.body_limits import body_limit
from gateway.http.openai.names import resolve_model
from gateway.http.openai.token_ids import text_of
from gateway.http.uploads.incoming_files import store_query_picture
from media.errors import ItemError
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Role, read_vector
from modalities.scratch import ScratchStore

router = APIRouter(prefix="/v1/embeddings", tags=["OpenAI"])
_DATA = "data:image/"
_CHARACTERS_PER_TOKEN = 4
_MAX_INPUTS = 2048
Text = Annotated[str, Field(min_length=1, max_length=20_000_000)]
TokenIds = Annotated[list[int], Field(min_length=1, max_length=1_000_000)]


class EmbeddingRequest(BaseModel):
    """Texts, texts as token ids of cl100k_base, or pictures as data URIs (`data:image/png;base64,…`)."""

    model_config = ConfigDict(extra="ignore")

    input: (
        Text
        | TokenIds
        | Annotated[list[Text], Field(min_length=1, max_length=_MAX_INPUTS)]
        | Annotated[list[TokenIds], Field(min_length=1, max_length=_MAX_INPUTS)]
    )
    model: str | None = Field(default=None, max_length=200)
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, description="Must be the model's own dimension.")
    role: Role = Field(default="passage", description="Ours: `query` for search queries.")


class EmbeddingOut(BaseModel):
    """One vector: a list of numbers, or little-endian float32 in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """An estimate of the tokens read: four characters each."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(BaseModel):
    """The vectors, in the order of the input."""

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: Usage


@router.post("")
@body_limit(32_000_000)
async def embed(caller: Viewer, asked: EmbeddingRequest) -> EmbeddingsOut:
    """Return one L2-normalized vector for each text or picture."""
    async with caller.services.query_embeddings.embedding_slots:
        return await run_in_threadpool(_embed, caller, asked)


def _embed(caller: Caller, asked: EmbeddingRequest) -> EmbeddingsOut:
    """Decode the inputs, run the model and encode the vectors. Raises WrongInput, UnknownModel, ItemError."""
    inputs = _texts(asked.input)
    pictures = any(given.startswith(_DATA) for given in inputs)
    model = asked.model or (caller.space.profile.pictures if pictures else None)
    name = resolve_model(caller.space, model, "passages")
    requests = [_request(caller, name, given, asked.role) for given in inputs]
    answers, store = caller.space.answers.run_unkept(requests)
    data = [
        EmbeddingOut(index=number, embedding=_vector(store, answer, asked)) for number, answer in enumerate(answers)
    ]
    tokens = sum(-(-len(r.text) // _CHARACTERS_PER_TOKEN) for r in requests if isinstance(r, EmbedText))
    return EmbeddingsOut(data=data, model=name, usage=Usage(prompt_tokens=tokens, total_tokens=tokens))


def _texts(given: str | list[int] | list[str] | list[list[int]]) -> list[str]:
    """Return one text per input. Raises WrongInput for token ids of another tokenizer."""
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [text_of([number for number in given if isinstance(number, int)])]
    return [each if isinstance(each, str) else text_of(each) for each in given if not isinstance(each, int)]


def _request(caller: Caller, model: str, given: str, role: Role) -> EmbedImage | EmbedText:
    if not given.startswith(_DATA):
        return EmbedText(model=model, text=given, role=role)
    _, marker, encoded = given.partition(";base64,")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise WrongInput("A picture in the input is no base64.") from error
    if not marker or not data:
        raise WrongInput("A picture in the input is no data URI with base64.")
    return EmbedImage(model=model, image=store_query_picture(caller.space, data, "picture"))


def _vector(store: ScratchStore, answer: object, asked: EmbeddingRequest) -> list[float] | str:
    if isinstance(answer, ItemError):
        raise answer
    assert isinstance(answer, Embedding)
    if asked.dimensions not in (None, answer.dimension):
        raise WrongInput(f"The model has {answer.dimension} dimensions and gives no others.")
    vector = read_vector(store, answer)
    if asked.encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
