"""The entry point of the command line. Commands import lazily, so that help is printed fast."""

import sys

import typer

from gateway.cli.commands import artifacts as artifact_commands
from gateway.cli.commands import backup as backup_commands
from gateway.cli.commands import care as care_commands
from gateway.cli.commands import content as content_commands
from gateway.cli.commands import ingest as ingest_commands
from gateway.cli.commands import models as model_commands
from gateway.cli.commands import runs as run_commands
from gateway.cli.commands import speech as speech_commands
from gateway.cli.commands import stack as stack_commands
from gateway.cli.commands import tokens as token_commands
from gateway.cli.commands import training as training_commands
from gateway.cli.commands import translation as translation_commands
from gateway.cli.commands.learning import classify as classify_commands
from gateway.cli.commands.learning import datasets as dataset_commands
from gateway.cli.commands.learning import intents as intent_commands
from gateway.cli.commands.learning import suggestions as suggestion_commands
from gateway.cli.commands.learning import writing as writing_commands
from gateway.cli.terminal import exit_code, say

app = typer.Typer(
    name="triptych",
    help="Find, make, transcribe and translate what your team has: pictures, speech and text.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich panels double the time of every help text and error
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SETTINGS = {"search": {"ignore_unknown_options": True}}
"""A search may leave words out, as in `triptych search truck -fire`."""
for _command in (
    *(ingest_commands.ingest, content_commands.search, content_commands.ask),
    *(content_commands.duplicates, content_commands.generate),
    *(
        speech_commands.transcribe,
        speech_commands.subtitle,
        translation_commands.translate,
        speech_commands.speak,
        content_commands.run,
    ),
    *(speech_commands.check_subtitles, artifact_commands.show, artifact_commands.export, artifact_commands.delete),
    *(stack_commands.up, stack_commands.down, stack_commands.status, stack_commands.doctor),
    *(stack_commands.password, stack_commands.rights),
    *(training_commands.train, training_commands.evaluate, training_commands.publish, training_commands.rollback),
    *(classify_commands.classify, classify_commands.auto_label),
    *(writing_commands.write, intent_commands.intents),
    *(suggestion_commands.suggest, suggestion_commands.forget),
    *(care_commands.label, care_commands.rebuild, care_commands.verify, care_commands.gc, care_commands.retain),
    *(backup_commands.backup, backup_commands.restore, backup_commands.migrate),
    *(run_commands.failed, run_commands.retry),
):
    app.command(context_settings=_SETTINGS.get(_command.__name__))(_command)
app.add_typer(token_commands.app)
app.add_typer(dataset_commands.app)
app.add_typer(model_commands.app)
app.add_typer(translation_commands.glossary, name="glossary")


def main() -> None:
    """Run a command; an error of the user is one sentence on stderr and an exit code."""
    try:
        app()
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        say(str(error))
        sys.exit(code)


if __name__ == "__main__":
    main()
