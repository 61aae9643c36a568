"""Say the prompt of a picture better: more precise, with what the picture should show."""

from flows.answering.writers import Writer
from flows.running.errors import NothingToDo
from modalities.writing.requests import Turn

_ORDER = (
    "Rewrite the user's prompt for a text-to-image model: one sentence in the same language that names what is shown, "
    "where, in which light and style. Keep everything that the user names. Write the prompt and nothing else."
)
_MOST_CHARACTERS = 1000


async def better_prompt(prompt: str, writer: Writer) -> str:
    """Return the prompt in the words of a writer. Raises NothingToDo if it wrote nothing, and ItemError."""
    text = await writer.write([Turn(role="system", text=_ORDER), Turn(role="user", text=prompt)])
    first = next((line.strip().strip('"“”') for line in text.splitlines() if line.strip()), "")
    if not first:
        raise NothingToDo(f"{writer.name} wrote nothing: the prompt stays as it is.")
    return first[:_MOST_CHARACTERS]
