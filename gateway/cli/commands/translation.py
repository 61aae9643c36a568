"""Commands for translation: texts, documents, and the glossary of a project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form, space_opener
from gateway.cli.terminal import existing_file, print_result, say_first, write_file
from gateway.errors import WrongInput
from gateway.forms import fill_form

if TYPE_CHECKING:
    from flows.library.translation.glossary import Term
    from flows.running.platform import Space

_ADDED = "Two languages, a term and its translation; or one word."
glossary = typer.Typer(help="What terms are called, and words that stay as they are.", no_args_is_help=True)


def translate(
    text: Annotated[str, typer.Argument(help="What to translate.")] = "",
    to: Annotated[str, typer.Option(help="The language to translate to, such as de.")] = "en",
    source: Annotated[str, typer.Option("--from", help="The language of the text; detected if not given.")] = "",
    file: Annotated[Path | None, typer.Option(help="A document: report.docx becomes report.de.docx.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the document; - for the terminal.")] = None,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Say a text or a document in another language. Texts keep their lines, documents their formatting."""
    from flows.running.content_forms import Document, Text

    if file is None:
        form = fill_form(Text, text=text, target=to, source=source, project=project)
        document = run_form("translate-text", "text", form, "flows.translate_text:translate", local)
        print_result(document, as_json, document["text"])
    else:
        with space_opener(project, local) as space:
            stored = _store_document(space(), existing_file(file))
            form = fill_form(Document, document=stored, name=file.name, target=to, source=source, project=project)
            document = run_form(
                "translate-document", "document", form, "flows.translate_document:translate_file", local
            )
            data = _read_bytes(space(), document["artifact"])
        path = out or file.with_name(document["name"])
        if str(path) == "-":
            typer.echo(data.decode(errors="replace"), nl=False)
        else:
            write_file(path, data)
            print_result(document | {"path": str(path)}, as_json, str(path))
    say_first([f"Doubtful: {each['before']} → {each['after']}\n  {each['reason']}" for each in document["doubts"]])


@glossary.command("add")
def add_to_glossary(
    words: Annotated[list[str], typer.Argument(metavar="[FROM TO TERM TRANSLATION | WORD]", help=_ADDED)],
    project: Project = "default",
    local: Local = False,
) -> None:
    """Add a term: `add en de invoice Rechnung`; or a word that is never translated: `add Triptych`."""
    from flows.library.translation.glossary import add_term

    with space_opener(project, local) as space:
        add_term(space(), _term(words))


@glossary.command("remove")
def remove_from_glossary(
    words: Annotated[list[str], typer.Argument(metavar="[FROM TO TERM | WORD]", help="As it was added.")],
    project: Project = "default",
    local: Local = False,
) -> None:
    """Remove a term: `remove en de invoice`, or `remove Triptych`."""
    from flows.library.translation.glossary import remove_term

    with space_opener(project, local) as space:
        if not remove_term(space(), _term([*words, words[-1]] if len(words) == 3 else words)):
            raise WrongInput(f"The glossary of {project} has no such term: `triptych glossary list` shows them.")


@glossary.command("list")
def list_glossary(project: Project = "default", as_json: Json = False, local: Local = False) -> None:
    """List the terms of a project."""
    from flows.library.translation.glossary import list_terms

    with space_opener(project, local) as space:
        terms = list_terms(space())
    rows = [f"{each.source} {each.target}  {each.term}  {each.translation}" for each in terms]
    document = {"terms": [each.model_dump() for each in terms]}
    print_result(document, as_json, "\n".join(rows) or "The glossary is empty.")


def _term(words: list[str]) -> "Term":
    from flows.library.translation.glossary import ANY, Term

    if len(words) == 1:
        return fill_form(Term, source=ANY, target=ANY, term=words[0], translation=words[0])
    if len(words) == 4:
        return fill_form(Term, source=words[0], target=words[1], term=words[2], translation=words[3])
    raise WrongInput("Name two languages, a term and its translation, or one word that is never translated.")


def _store_document(space: "Space", path: Path) -> str:
    """Store a document as the input of its translation, which reads it in the sandbox; return its id."""
    from flows.translate_document import media_type_of

    return space.store.put(path.read_bytes(), media_type_of(path.name)).sha256


def _read_bytes(space: "Space", artifact: dict[str, Any]) -> bytes:
    from storage.artifacts import Artifact

    return space.store.get(Artifact.model_validate(artifact))
