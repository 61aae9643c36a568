"""Commands on the models of the catalogue: list, download, verify, pin, and carry to a machine without a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json
from gateway.cli.terminal import SOME_FAILED, byte_progress, print_result, say
from gateway.errors import WrongInput

if TYPE_CHECKING:
    from flows.running.settings import ModelSettings
    from modalities.contract import ModelSpec
    from modalities.models.catalogue import Catalogue
    from modalities.models.hub.client import Hub
    from modalities.models.hub.snapshots import HubSnapshots

app = typer.Typer(name="models", help="What models are here, and how they come here.", no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(help="Names in models.yaml; all of the profile if left out.")]
ProfileName = Annotated[str, typer.Option("--profile", help="Instead of TRIPTYCH_PROFILE.")]


@app.command(name="list")
def list_models(
    profile: ProfileName = "",
    everything: Annotated[bool, typer.Option("--all", help="Also models that the profile does not use.")] = False,
    as_json: Json = False,
) -> None:
    """The models of the profile: which are here, their size and licence."""
    from modalities.models.hub.inventory import model_state

    here = _open(profile)
    names = here.catalogue.names() if everything else list(here.catalogue.profile.models())
    states = [model_state(here.catalogue, here.snapshots, name) for name in names]
    document = {"profile": here.profile, "models": [state.model_dump() for state in states]}
    print_result(document, as_json, "\n".join(map(str, states)))


@app.command()
def pull(
    names: Names = None,
    profile: ProfileName = "",
    pin_first: Annotated[bool, typer.Option("--pin", help="Pin those without a commit first.")] = False,
    as_json: Json = False,
) -> None:
    """Download models from the hub. What was interrupted goes on; every byte is verified."""
    here = _open(profile)
    if pin_first:
        unpinned = [name for name in here.hub_models(names) if not here.catalogue.models[name].source.is_pinned]
        here.each(unpinned, lambda spec: _pin(here, spec, None))
        here = _open(profile)
    document, failed = pull_models(here, here.hub_models(names))
    _finish("Here", document, failed, as_json)


@app.command()
def check(names: Names = None, profile: ProfileName = "", as_json: Json = False) -> None:
    """Hash every file of models from the hub anew."""
    here = _open(profile)

    def examine(spec: "ModelSpec") -> dict[str, Any]:
        from modalities.errors import ModelUnavailable

        if not here.snapshots.is_complete(spec.name, spec.source):
            raise ModelUnavailable(f"The model {spec.name} is not here: run `triptych models pull {spec.name}`.")
        if faults := here.snapshots.faults(spec.name, spec.source):
            raise ModelUnavailable(
                f"The files {', '.join(faults)} of {spec.name} changed on this disk: remove the model, then pull it."
            )
        return {"files": len(here.snapshots.files(spec.name, spec.source))}

    document, failed = here.each(here.hub_models(names), examine)
    _finish("Whole", document, failed, as_json)


@app.command()
def remove(names: Annotated[list[str], typer.Argument(help="Names in models.yaml.")], as_json: Json = False) -> None:
    """Delete the files of models from the hub here, with what was made of them."""
    from modalities.models.hub.inventory import remove_model

    here = _open("")

    def delete(spec: "ModelSpec") -> dict[str, Any]:
        return {"freed_bytes": remove_model(here.catalogue, here.snapshots, spec)}

    document, failed = here.each(here.hub_models(names), delete)
    _finish("Removed", document, failed, as_json)


@app.command()
def pin(
    names: Names = None,
    revision: Annotated[
        str, typer.Option(help="A branch, tag or commit; default: what the entry has, else main.")
    ] = "",
    profile: ProfileName = "",
    as_json: Json = False,
) -> None:
    """Write the commit and the sha256 of each file, as the hub has them, into models.yaml."""
    here = _open(profile)
    chosen = here.hub_models(names)
    if not names:
        chosen = [name for name in chosen if not here.catalogue.models[name].source.is_pinned]
    document, failed = here.each(chosen, lambda spec: _pin(here, spec, revision or None))
    _finish("Pinned", document, failed, as_json)


@app.command(name="export")
def export_models(
    into: Annotated[Path, typer.Argument(help="The tar file to write.")],
    names: Names = None,
    profile: ProfileName = "",
    as_json: Json = False,
) -> None:
    """Write models into one file, for a machine without a network."""
    from modalities.models.hub.bundles import export_bundle

    here = _open(profile)
    if not into.absolute().parent.is_dir():
        raise WrongInput(f"There is no folder {into.absolute().parent} to write {into.name} to.")
    specs = [here.catalogue.spec(name) for name in here.hub_models(names)]
    models, size = [model.name for model in export_bundle(here.snapshots, specs, into)], into.stat().st_size
    document = {"bundle": str(into), "models": models, "bytes": size}
    print_result(document, as_json, f"{into}: {', '.join(models)} ({size / 1e9:.2f} GB).")


@app.command(name="import")
def import_models(
    bundle: Annotated[Path, typer.Argument(help="A file of `triptych models export`.")], as_json: Json = False
) -> None:
    """Take models from such a file. Every byte is verified."""
    from gateway.cli.terminal import existing_file
    from modalities.models.hub.bundles import import_bundle

    here = _open("")
    models = [model.name for model in import_bundle(here.snapshots, existing_file(bundle), here.catalogue.models)]
    print_result({"models": models}, as_json, f"Here: {', '.join(models)}.")


def report_missing(*, pull: bool) -> None:
    """Say what the profile lacks; download it if told. What cannot be downloaded is said, and the stack starts."""
    from modalities.models.hub.inventory import missing_models, missing_sentence

    here = _open("")
    if pull:
        pull_models(here, here.hub_models(None))
    if missing := missing_models(here.catalogue, here.snapshots):
        say(missing_sentence(here.profile, missing))


def pull_models(here: "_Here", names: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Download models one after the other; return those that are here, and the reasons of those that are not."""

    def fetch(spec: "ModelSpec") -> dict[str, Any]:
        from modalities.models.hub.files import total_size

        missing = here.snapshots.missing(spec.name, spec.source)
        size = total_size(missing)
        if missing:
            say(
                f"{spec.name}: {size / 1e9:.2f} GB, licence {spec.licence}, {spec.source.hub} at {spec.source.revision}"
            )
            with byte_progress(spec.name, size) as progress:
                here.snapshots.fetch(spec.name, spec.source, progress)
        return {"downloaded_bytes": size}

    return here.each(names, fetch)


@dataclass(frozen=True)
class _Here:
    """The catalogue, and the files of the hub on this machine."""

    settings: "ModelSettings"
    profile: str
    catalogue: "Catalogue"
    hub: "Hub"
    snapshots: "HubSnapshots"

    def hub_models(self, names: Sequence[str] | None) -> list[str]:
        """Return the given models, by default those of the profile that come from a hub. Raises UnknownModel."""
        from modalities.errors import UnknownModel

        for name in names or ():
            if name not in self.catalogue.models:
                raise UnknownModel(f"No model is called {name}: `triptych models list --all` names them.")
            if not self.catalogue.models[name].source.hub:
                raise WrongInput(f"The model {name} does not come from a hub: there is nothing to do.")
        return list(names or [n for n in self.catalogue.profile.models() if self.catalogue.models[n].source.hub])

    def each(
        self, names: Sequence[str], work: Callable[["ModelSpec"], dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Work on one model after the other; an error of one is said and the others go on."""
        from modalities.errors import ModelFault

        done: list[dict[str, Any]] = []
        failed: dict[str, str] = {}
        for name in names:
            try:
                done.append({"name": name} | work(self.catalogue.spec(name)))
            except ModelFault as error:
                failed[name] = str(error)
                say(str(error))
        return done, failed


def _open(profile: str) -> _Here:
    from flows.running.settings import load_model_settings
    from modalities.models.catalogue import load_catalogue
    from modalities.models.hub.client import Hub
    from modalities.models.hub.snapshots import HubSnapshots

    settings = load_model_settings()
    chosen = profile or settings.profile
    hub = Hub(settings.hub_endpoint)
    catalogue = load_catalogue(settings.models_config, chosen)
    return _Here(settings, chosen, catalogue, hub, HubSnapshots(settings.cache_dir, hub))


def _pin(here: _Here, spec: "ModelSpec", revision: str | None) -> dict[str, Any]:
    from modalities.models.hub.pins import resolve_pin, write_pin

    found = resolve_pin(here.hub, spec, revision)
    write_pin(here.settings.models_config, spec.name, found)
    if found.licence and found.licence.lower() != spec.licence.lower():
        say(f"{spec.name}: the hub's card says the licence is {found.licence}, and models.yaml {spec.licence}.")
    return {"revision": found.commit, "size_mb": found.size_mb, "licence": found.licence, "files": len(found.sha256)}


def _finish(word: str, done: Sequence[dict[str, Any]], failed: dict[str, str], as_json: bool) -> None:
    """Print what was done and what failed; exit with the code for some that failed."""
    print_result({"models": done, "failed": failed}, as_json, _summary(word, done, failed))
    if failed:
        raise typer.Exit(SOME_FAILED)


def _summary(word: str, done: Sequence[dict[str, Any]], failed: dict[str, str]) -> str:
    told = [f"{word}: {', '.join(each['name'] for each in done)}."] if done else []
    told += [f"Failed: {', '.join(failed)}."] if failed else []
    return " ".join(told) or "There is nothing to do."
