"""Every interface of Prefect that the warm worker depends on: an upgrade that changes one fails here."""

import inspect
import signal
import threading
from contextlib import suppress
from typing import Any
from uuid import uuid4

import prefect
import prefect.flow_engine
import pytest
from prefect import _flow_run_suspension
from prefect._internal import control_listener
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilterKey, FlowRunFilterNextScheduledStartTime
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import AsyncClientContext, SettingsContext, SyncClientContext
from prefect.deployments.steps.core import run_steps
from prefect.exceptions import TerminationSignal
from prefect.flows import load_flow_from_flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED, temporary_settings
from prefect.utilities import engine
from prefect.utilities.importtools import import_object
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker

from workers.warm_process import WarmProcessWorker


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_prefect_is_the_version_that_this_was_written_for() -> None:
    assert prefect.__version__.startswith("3.8."), (
        "read this file's tests against the new version, then change this line"
    )


def test_the_worker_is_found_by_its_type() -> None:
    assert BaseWorker.get_worker_class_from_type("warm-process") is WarmProcessWorker


def test_the_template_of_the_pool_holds_the_variables() -> None:
    template = WarmProcessWorker.get_default_base_job_template()
    assert {"env", "working_dir", "cancel_grace_seconds"} <= template["variables"]["properties"].keys()
    assert template["job_configuration"]["working_dir"] == "{{ working_dir }}"


@pytest.mark.parametrize(
    "name",
    [
        "setup",
        "teardown",
        "sync_with_backend",
        "get_and_submit_flow_runs",
        "run",
        "kill_infrastructure",
        "get_flow_run_logger",
        "_get_scheduled_flow_runs",
        "_mark_flow_run_as_cancelled",
        "_give_worker_labels_to_flow_run",
        "_release_limit_slot",
        "_emit_flow_run_submitted_event",
        "_emit_flow_run_executed_event",
        "limiter",
        "work_pool",
        "client",
    ],
)
def test_the_base_worker_has_what_ours_calls_or_replaces(name: str) -> None:
    assert hasattr(BaseWorker, name)


def test_the_base_worker_keeps_the_attributes_that_ours_reads() -> None:
    source = inspect.getsource(BaseWorker)
    for name in ("_last_polled_time", "_has_successfully_synced", "_submitting_flow_run_ids", "_work_pool_name"):
        assert f"self.{name}" in source, name
    assert "workload=self.get_and_submit_flow_runs" in inspect.getsource(BaseWorker.start)


def test_a_job_configuration_is_made_and_prepared_as_before() -> None:
    assert parameters(BaseJobConfiguration.from_template_and_values) == ["base_job_template", "values", "client"]
    wanted = ["self", "flow_run", "deployment", "flow", "work_pool", "worker_name", "worker_id"]
    assert parameters(BaseJobConfiguration.prepare_for_flow_run) == wanted
    assert BaseJobConfiguration._base_flow_run_command() == "prefect flow-run execute"
    assert {"env", "command", "name", "labels"} == BaseVariables.model_fields.keys()
    # for_run() repeats how these two merge; a change there must be repeated too.
    source = inspect.getsource(BaseJobConfiguration.resolve_for_flow_run)
    assert 'job_variables["env"].update(flow_run_vars.pop("env", {}))' in source


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("read_flow_runs", {"flow_run_filter", "work_pool_filter", "sort", "limit", "offset"}),
        ("read_work_queues", {"work_pool_name"}),
        ("update_flow_run", {"flow_run_id", "infrastructure_pid"}),
        ("set_flow_run_state", {"flow_run_id", "state", "force"}),
        ("read_flow_run", {"flow_run_id"}),
        ("read_deployment", {"deployment_id"}),
        ("read_flow", {"flow_id"}),
        ("create_artifact", {"artifact"}),
        ("update_artifact", {"artifact_id", "artifact"}),
    ],
)
def test_the_client_has_what_ours_calls(name: str, wanted: set[str]) -> None:
    assert wanted <= set(parameters(getattr(PrefectClient, name)))


def test_an_artifact_is_found_by_its_key_and_renewed() -> None:
    assert hasattr(PrefectClient, "read_artifacts")
    assert "any_" in ArtifactFilterKey.model_fields
    assert {"key", "type", "description", "data"} <= ArtifactCreate.model_fields.keys()
    assert "data" in ArtifactUpdate.model_fields


def test_the_flow_runs_that_wait_are_read_in_the_order_of_their_start() -> None:
    assert {"EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC"} <= set(FlowRunSort.__members__)
    assert "before_" in FlowRunFilterNextScheduledStartTime.model_fields


def test_a_flow_is_run_and_loaded_by_the_same_functions() -> None:
    assert {"flow", "flow_run", "return_type", "error_logger"} <= set(parameters(prefect.flow_engine.run_flow))
    assert {"flow_run", "ignore_storage", "use_placeholder_flow"} <= set(parameters(load_flow_from_flow_run))
    assert {"steps", "print_function", "deployment", "flow_run"} <= set(parameters(run_steps))
    assert import_object("workers.options:parse_slots").__name__ == "parse_slots"


def test_the_engine_asks_for_a_suspension_observer_by_the_name_that_we_replace() -> None:
    wanted = ["flow_run_id", "suspension_request", "polling_interval"]
    assert parameters(_flow_run_suspension.observe_flow_run_suspension) == wanted
    assert "observe_flow_run_suspension(" in inspect.getsource(prefect.flow_engine)


def test_a_suspension_told_from_outside_reaches_the_run() -> None:
    flow_run_id, request = uuid4(), _flow_run_suspension.FlowRunSuspensionRequest()
    state = State(type=StateType.PAUSED, name="Suspended")
    with _flow_run_suspension.register_flow_run_suspension_request(flow_run_id, request):
        assert _flow_run_suspension.mark_flow_run_suspension_requested(flow_run_id, state)
    assert request.is_requested()


def test_a_cancel_is_committed_only_while_the_engine_listens_and_ends_what_runs() -> None:
    before = signal.getsignal(signal.SIGTERM)
    acknowledged: list[str] = []

    def commit() -> bool:
        return engine.commit_control_intent_and_ack(
            commit_intent=lambda: control_listener._set_intent("cancel"),
            clear_intent=control_listener.clear_intent,
            send_ack=lambda: acknowledged.append("yes"),
            trigger_cancel=lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM),
        )

    try:
        assert not commit(), "nobody listens yet"
        with suppress(TerminationSignal), engine.capture_sigterm():
            assert commit()
            threading.Event().wait(5)
            raise AssertionError("the signal did not end the wait")
        assert control_listener.get_intent() == "cancel"
        assert acknowledged == ["yes"]
    finally:
        control_listener.clear_intent()
        signal.signal(signal.SIGTERM, before)


async def test_clients_are_kept_in_contexts_that_the_engine_looks_into() -> None:
    # Nothing listens there, and nothing is asked.
    nowhere = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}
    with temporary_settings(nowhere):
        with SyncClientContext() as kept, SyncClientContext.get_or_create() as found:
            assert found is kept
            http: Any = kept.client
            assert http._client._has_connected is False, "workers/child/first_request.py stands on it"
        async with AsyncClientContext() as kept_async:
            token = AsyncClientContext.__var__.set(kept_async)
            async with AsyncClientContext.get_or_create() as found_async:
                assert found_async is kept_async
                http = kept_async.client
                assert http._client._has_connected is False
            AsyncClientContext.__var__.reset(token)
    assert {"profile", "settings"} <= SettingsContext.model_fields.keys()
