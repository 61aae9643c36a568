"""The worker of type `warm-process`: polls as every Prefect worker does, hands runs to processes that stay alive."""

import asyncio
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
import httpx
import prefect.types._datetime
from prefect.client.schemas.objects import Flow as APIFlow
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse, WorkerFlowRunResponse
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound, ObjectNotFound
from prefect.workers.base import BaseWorker, BaseWorkerResult

from workers.job_configuration import WarmProcessJobConfiguration, WarmProcessVariables
from workers.options import WarmOptions
from workers.parent.identity import Infrastructure, parse_infrastructure, started_at
from workers.parent.memory_watch import watch_memory
from workers.parent.run import Run
from workers.parent.slot import Slot, process_environment
from workers.parent.states import claim, patiently, put_back
from workers.parent.sweep import sweep
from workers.parent.watch import watch
from workers.run_events import COMMIT_SECONDS, LOOK_SECONDS, News, RunNews
from workers.shown.showing import Showing
from workers.shown.status import WorkerStatus
from workers.tasks import Tasks
from workers.turns.order import Turns
from workers.turns.queues import Queues

_BUSY_POLL_SECONDS = 2.0
_LAST_REPORTS_SECONDS = 5.0
_LABELS_AFTER_SECONDS = 1.0  # they are for people to look at, and do not compete with the start of the run


class WarmProcessWorkerResult(BaseWorkerResult):
    """The process that had the run in hand, and 0 when it outlived the run."""


class WarmProcessWorker(BaseWorker[WarmProcessJobConfiguration, WarmProcessVariables, WarmProcessWorkerResult]):
    """One worker, one process for each of its slots."""

    type = "warm-process"
    job_configuration = WarmProcessJobConfiguration
    job_configuration_variables = WarmProcessVariables
    _display_name = "Warm process"
    _description = "Run flows in processes that stay alive between runs and keep their models loaded."

    def __init__(self, work_pool_name: str, *args: Any, limit: int | None = None, **kwargs: Any) -> None:
        self.options = WarmOptions()
        specs = self.options.slot_specs(limit)
        super().__init__(work_pool_name, *args, limit=len(specs), **kwargs)
        environment = process_environment()
        self.slots = [Slot(spec, environment, self._logger) for spec in specs]
        self.runs: dict[UUID, Run] = {}
        self.queues = Queues(Turns(self.options.patience_seconds), self.options)
        self._flows: dict[UUID, APIFlow] = {}
        self._tasks = Tasks(self._logger)
        self._showing = Showing(self.options, self.status)
        self._news = News()
        self._told = asyncio.Event()
        self._polling = asyncio.Lock()
        self._polled_at = 0.0
        self._stopping = False

    async def setup(self) -> None:
        """Start the processes; look for what an earlier worker left behind."""
        await super().setup()
        for slot in self.slots:
            self._tasks.start(slot.keep())
        self._tasks.start(sweep(self.client, self._work_pool_name, self.options, self._logger))
        self._tasks.start(watch(self.client, self.runs, self.options.watch_seconds))
        if self.options.listen:
            self._tasks.start(self._news.follow(self._heard))
            self._tasks.start(self._take_when_told())
        self._tasks.start(watch_memory(self.slots, self.options.memory_megabytes))
        await self._showing.start(self.client, self._tasks, self._logger)

    async def teardown(self, *exc_info: Any) -> None:
        """Take no more runs, let those in hand finish for a while, end the processes."""
        self._stopping = True
        with anyio.CancelScope(shield=True):
            await self._drained(self.options.drain_seconds)
            for run in self.runs.values():
                run.abandon("The worker was stopped, and this run did not end in time.")
            await self._drained(_LAST_REPORTS_SECONDS)
            await asyncio.gather(*(slot.close(seconds=3.0) for slot in self.slots))
            await self._tasks.end()
            await self._showing.close()
        await super().teardown(*exc_info)

    async def sync_with_backend(self) -> None:
        """Send the heartbeat. A server that cannot be reached does not end a worker that has runs in hand."""
        try:
            await super().sync_with_backend()
        except httpx.TransportError:
            if not self._has_successfully_synced:
                raise

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Fill the free slots with the runs whose turn it is; called again and again."""
        self._last_polled_time = prefect.types._datetime.now("UTC")
        pause = LOOK_SECONDS if self._news.listening else 0.0
        if not any(slot.idle for slot in self.slots):
            pause = _BUSY_POLL_SECONDS
        return await self._poll() if time.monotonic() - self._polled_at >= pause else []

    async def _poll(self) -> list[FlowRun]:
        async with self._polling:
            # A process may have been killed a moment ago, and nobody has noticed yet.
            idle = {slot.name: slot for slot in self.slots if slot.idle and started_at(slot.pid)}
            if self._stopping or not self._has_successfully_synced:
                return []
            self._polled_at = time.monotonic()
            try:
                found = await self._get_scheduled_flow_runs()
                pairs = await self.queues.pair(self.client, self._work_pool_name, self._new(found), idle)
            except httpx.TransportError:
                self._logger.warning("The Prefect server cannot be reached; runs in hand go on")
                return []
            for flow_run, slot in pairs:
                slot.flow_run_id = str(flow_run.id)
                self.limiter.acquire_on_behalf_of_nowait(flow_run.id)
                self._submitting_flow_run_ids.add(flow_run.id)
                self._tasks.start(self._take(flow_run, slot))
            return [flow_run for flow_run, _ in pairs]

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmProcessWorkerResult:
        """Run in the next free slot. The worker's own polling does not come through here: it chooses the slot first."""
        while not (slot := next((slot for slot in self.slots if slot.idle), None)):  # noqa: ASYNC110 - only ad hoc
            await asyncio.sleep(0.05)
        slot.flow_run_id = str(flow_run.id)
        deployment = await self._deployment(flow_run)
        if task_status is not None:
            task_status.started(slot.pid)
        try:
            return await self._execute(flow_run, deployment, configuration, slot)
        finally:
            slot.flow_run_id = None

    async def kill_infrastructure(
        self, infrastructure_pid: str, configuration: WarmProcessJobConfiguration, grace_seconds: int = 30
    ) -> None:
        """Kill the process that has the run in hand; its slot gets a new one."""
        found = parse_infrastructure(infrastructure_pid)
        if found is None or found.machine != self.options.machine:
            raise InfrastructureNotAvailable(f"{infrastructure_pid} is not a process of a warm worker on this machine.")
        slot = next((slot for slot in self.slots if slot.pid == found.pid), None)
        run = next((run for run in self.runs.values() if run.slot is slot), None)
        if slot is None or run is None or not found.alive:
            raise InfrastructureNotFound(f"Process {found.pid} has no run in hand.")
        await run.cancel(grace_seconds)

    def status(self) -> WorkerStatus:
        """What the slots do now."""
        return WorkerStatus(
            worker=self.name,
            pool=self._work_pool_name,
            waiting_runs=self.queues.waiting_runs,
            queue_age_seconds=round(self.queues.age_seconds, 3),
            slots=[slot.status() for slot in self.slots],
        )

    async def _take(self, flow_run: FlowRun, slot: Slot) -> None:
        """Claim the run, run it, free the slot."""
        claimed = False
        try:
            claimed, deployment = await asyncio.gather(
                claim(self.client, flow_run, self._place(slot)), self._deployment(flow_run)
            )
            if claimed:
                configuration = await self._configure(flow_run, deployment)
                await self._execute(flow_run, deployment, configuration, slot)
        except ObjectNotFound:
            await self._mark_flow_run_as_cancelled(flow_run, {"message": "Its deployment no longer exists."})
        except Exception as error:
            self.get_flow_run_logger(flow_run).exception("The warm worker could not run this flow run")
            await put_back(self.client, flow_run.id, f"The worker could not run it: {error}", self.options.attempts)
        finally:
            slot.flow_run_id = None
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)
            # Not after a refused claim: the same run might be offered and refused without a pause.
            if claimed and not self._stopping:
                self._tasks.start(self._poll_now())

    async def _execute(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None,
        configuration: WarmProcessJobConfiguration,
        slot: Slot,
    ) -> WarmProcessWorkerResult:
        configuration.refuse_what_is_fixed(slot.environment)
        run = Run(self.client, flow_run, deployment, configuration, slot, self.options)
        self.runs[flow_run.id] = run
        self._tasks.start(self._note(flow_run, slot))
        submitted = self._emit_flow_run_submitted_event(configuration)
        began = time.time()
        wanted = flow_run.next_scheduled_start_time or flow_run.expected_start_time
        self._showing.metrics.begun(self._work_pool_name, began - wanted.timestamp() if wanted else 0.0)
        try:
            code = await run.to_its_end()
        finally:
            del self.runs[flow_run.id]
            self._showing.metrics.ended(self._work_pool_name, time.time() - began)
        result = WarmProcessWorkerResult(identifier=str(slot.pid), status_code=code)
        self._emit_flow_run_executed_event(result, configuration, submitted)
        return result

    async def _note(self, flow_run: FlowRun, slot: Slot) -> None:
        """Tell the server which process has the run: a cancel, and the sweep after a crash, need it."""
        pid = self._place(slot)
        with suppress(ObjectNotFound, httpx.TransportError):  # a deleted run needs no note
            await patiently(lambda: self.client.update_flow_run(flow_run_id=flow_run.id, infrastructure_pid=pid))
            await asyncio.sleep(_LABELS_AFTER_SECONDS)
            await self._give_worker_labels_to_flow_run(flow_run.id)

    def _place(self, slot: Slot) -> str:
        return str(Infrastructure(self.options.machine, slot.name, slot.pid, started_at(slot.pid)))

    async def _deployment(self, flow_run: FlowRun) -> DeploymentResponse | None:
        return await self.client.read_deployment(flow_run.deployment_id) if flow_run.deployment_id else None

    async def _configure(self, flow_run: FlowRun, deployment: DeploymentResponse | None) -> WarmProcessJobConfiguration:
        if flow_run.flow_id not in self._flows:
            self._flows[flow_run.flow_id] = await self.client.read_flow(flow_run.flow_id)
        return await self.job_configuration.for_run(
            flow_run,
            deployment,
            self._flows[flow_run.flow_id],
            work_pool=self.work_pool,
            worker_name=self.name,
            worker_id=self.backend_id,
            client=self.client,
        )

    def _new(self, found: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        return [one.flow_run for one in found if one.flow_run.id not in self._submitting_flow_run_ids]

    async def _drained(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._submitting_flow_run_ids and time.monotonic() < deadline:  # noqa: ASYNC110 - seldom, and short
            await asyncio.sleep(0.05)

    async def _poll_now(self) -> list[FlowRun]:
        with suppress(httpx.HTTPError):
            return await self._poll()
        return []

    def _heard(self, news: RunNews) -> None:
        if news.state_type == "SCHEDULED" and news.work_pool in (None, self._work_pool_name):
            self._told.set()

    async def _take_when_told(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            # A slot that becomes free looks for itself.
            if any(slot.idle for slot in self.slots) and not await self._poll_now():
                await asyncio.sleep(COMMIT_SECONDS)
                await self._poll_now()
