"""Whatever a maker sends, a run works in the maker's project alone: over every deployment that makers may start."""

from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect import Flow
from prefect.client.schemas.responses import DeploymentResponse
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate

from flows.library.inbox import checked_folder
from gateway.errors import GatewayError, NotAllowed, NotFound, WrongInput
from gateway.http.jobs.run_parameters import check_values, is_public, scoped_parameters
from gateway.parameters import full_name
from gateway.tokens import Person
from tests.paths import ROOT

MAKER = Person(name="ada", role="maker", project="mine")
ADMIN = Person(name="root", role="admin")


def read_deployments() -> dict[str, tuple[DeploymentResponse, Flow[..., Any]]]:
    """Every deployment of configs/prefect.yaml as the Prefect server would answer it, with its flow."""
    found: dict[str, tuple[DeploymentResponse, Flow[..., Any]]] = {}
    for entry in yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]:
        module, _, name = entry["entrypoint"].rpartition(".")
        flow = getattr(import_module(module), name)
        deployment = DeploymentResponse(
            id=uuid4(),
            name=entry["name"],
            flow_id=uuid4(),
            work_pool_name=entry["work_pool"]["name"],
            parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
            enforce_parameter_schema=True,
        )
        found[entry["name"]] = (deployment, flow)
    return found


DEPLOYMENTS = read_deployments()
NAMES = sorted({*DEPLOYMENTS, "project", "victim", "mine", "keys", "prefix", "__prefect_kind", "value", "template"})
FIELDS = sorted(
    {
        field
        for deployment, _ in DEPLOYMENTS.values()
        for definition in (deployment.parameter_openapi_schema or {}).get("definitions", {}).values()
        for field in definition.get("properties", {})
    }
    | {name for each, _ in DEPLOYMENTS.values() for name in (each.parameter_openapi_schema or {})["properties"]}
    | set(NAMES)
)
LEAVES = st.sampled_from(
    [
        None,
        True,
        1,
        0.5,
        "",
        "cat",
        "victim",
        "mine",
        "default",
        "json",
        "jinja",
        '{"project": "victim"}',
        "inbox/victim/",
    ]
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(FIELDS),
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
        max_leaves=8,
    ),
    max_size=4,
)


def projects_in(value: Any) -> set[str]:
    """Every project in the parameters of a flow as it would receive them."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        own = {str(value["project"])} if "project" in value else set()
        return own.union(*map(projects_in, value.values()))
    return set().union(*map(projects_in, value)) if isinstance(value, list | tuple) else set()


def scope(deployment: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Decide the project and the parameters of a maker's request, as the gateway does."""
    check_values(values)
    return scoped_parameters(DEPLOYMENTS[deployment][0], values, "mine", MAKER, is_trusted=False)


@given(name=st.sampled_from(sorted(DEPLOYMENTS)), values=DOCUMENTS)
@settings(max_examples=400, deadline=None)
def test_no_values_of_a_maker_name_another_project_in_the_end(name: str, values: dict[str, Any]) -> None:
    deployment, flow = DEPLOYMENTS[name]
    try:
        project, parameters = scope(name, values)
    except GatewayError:
        return
    assert project == "mine"
    assert is_public(deployment)
    stored = hydrate(parameters, HydrationContext(render_jinja=True, render_workspace_variables=True))
    try:
        received = flow.validate_parameters(stored)
    except Exception:
        return
    assert projects_in(received) == {"mine"}
    for form in received.values():
        assert not hasattr(form, "keys")
        if hasattr(form, "prefix"):
            assert checked_folder(form.prefix, form.project) == "inbox/mine/"


@pytest.mark.parametrize(
    ("deployment", "values", "error"),
    [
        ("generate-images", {"project": "mine", "order": {"project": "victim", "prompt": "cat"}}, WrongInput),
        ("generate-images", {"order": {"project": "victim", "prompt": "cat"}}, NotFound),
        ("generate-images", {"order": {"prompt": "cat", "extra": [{"project": "victim"}]}}, NotFound),
        ("generate-images", {"order": {"__prefect_kind": "json", "value": '{"project":"victim"}'}}, WrongInput),
        ("generate-images", {"prompt": {"__prefect_kind": "workspace_variable", "variable_name": "x"}}, WrongInput),
        ("generate-images", {"prompt": {"$ref": {"block_document_id": str(uuid4())}}}, WrongInput),
        ("generate-images", {"order": {"project": ["victim"]}}, WrongInput),
        ("process-inbox", {"inbox": None}, WrongInput),
        ("process-inbox", {"prefix": "inbox/victim/"}, NotAllowed),
        ("ingest", {"keys": ["victim/blobs/x"]}, NotAllowed),
        ("ingest", {"files": {"keys": ["victim/blobs/x"]}}, NotAllowed),
        ("gpu", {"project": "mine", "work": {}}, NotAllowed),
        ("train-model", {}, NotAllowed),
    ],
)
def test_attempts_to_leave_the_project_are_refused(
    deployment: str, values: dict[str, Any], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        scope(deployment, values)


def test_a_deployment_of_ones_own_keeps_its_defaults_and_not_its_project() -> None:
    defaults = {"order": {"project": "victim", "steps": 9}}
    deployment = DEPLOYMENTS["generate-images"][0].model_copy(update={"parameters": defaults})
    project, parameters = scoped_parameters(deployment, {"prompt": "cat"}, "mine", MAKER, is_trusted=False)
    assert (project, parameters) == ("mine", {"order": {"prompt": "cat", "steps": 9, "project": "mine"}})
    nested = deployment.model_copy(update={"parameters": {"order": {"more": {"project": "victim"}}}})
    with pytest.raises(NotAllowed):
        scoped_parameters(nested, {"prompt": "cat"}, "mine", MAKER, is_trusted=False)


def test_an_admin_names_any_project_and_bucket_keys() -> None:
    project, _ = scoped_parameters(
        DEPLOYMENTS["ingest"][0], {"keys": ["tmp/x"], "project": "team"}, "mine", ADMIN, is_trusted=False
    )
    assert project == "team"
    with pytest.raises(WrongInput):
        scoped_parameters(
            DEPLOYMENTS["ingest"][0], {"project": "a", "files": {"project": "b"}}, "a", ADMIN, is_trusted=False
        )


@pytest.mark.parametrize(
    "name", ["ingest?x", "ingest/ingest?x", "ingest/ingest#", "a/b/c", "../x", "./.", "a\\b", "%2e", ""]
)
def test_a_name_that_is_another_address_is_no_deployment(name: str) -> None:
    with pytest.raises(NotFound):
        full_name(name)


def test_deployment_names_are_plain_words() -> None:
    assert full_name("ingest") == "ingest/ingest"
    assert full_name("answer-requests/gpu") == "answer-requests/gpu"
