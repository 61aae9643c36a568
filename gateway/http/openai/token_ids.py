"""Turn token ids back into text: LangChain and others send texts to /v1/embeddings as ids of OpenAI's tokenizer.

The table is cl100k_base of tiktoken (MIT licence, https://github.com/openai/tiktoken), which OpenAI's embedding models
use: a line for each token, its bytes in base64 and its id.
"""

import base64
import gzip
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from gateway.errors import WrongInput

_TABLE = "cl100k_base.tiktoken.gz"


def text_of(token_ids: Sequence[int]) -> str:
    """Decode token ids of cl100k_base. Raises WrongInput for an id that it does not have."""
    table = _table()
    unknown = next((each for each in token_ids if not 0 <= each < len(table)), None)
    if unknown is not None:
        raise WrongInput(
            f"The input has the token id {unknown}, and the tokenizer cl100k_base has {len(table)} tokens: send texts "
            "instead of token ids (in LangChain: check_embedding_ctx_length=False)."
        )
    return b"".join(table[each] for each in token_ids).decode("utf-8", "replace")


@cache
def _table() -> list[bytes]:
    """Read the bytes of each token, by id."""
    data = gzip.decompress((files("gateway.http.openai") / _TABLE).read_bytes())
    pairs = [line.split() for line in data.splitlines()]
    table = [b""] * len(pairs)
    for token, number in pairs:
        table[int(number)] = base64.b64decode(token)
    return table
