"""The Prefect worker of type `warm-process`, which executes runs in long-lived child processes."""

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
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound, ObjectNotFound
from prefect.workers.base import BaseWorker, BaseWorkerResult

from workers.background_tasks import BackgroundTasks
from workers.job_configuration import WarmProcessJobConfiguration, WarmProcessVariables
from workers.options import WarmOptions
from workers.parent.fork_server import ForkServer
from workers.parent.infrastructure_id import InfrastructureId, parse_infrastructure_id, process_start_time
from workers.parent.interruptions import forward_interruptions
from workers.parent.memory_limit import enforce_memory_limit
from workers.parent.orphaned_runs import recover_orphaned_runs
from workers.parent.run import Run
from workers.parent.slot import Slot, process_environment
from workers.parent.states import claim, retry_during_outage, retry_or_crash
from workers.shown.publisher import StatusPublisher
from workers.shown.status import WorkerStatus
from workers.turns.poll_schedule import PollSchedule
from workers.turns.scheduler import RunScheduler

_FINAL_STATES_SECONDS = 5.0
_LABELS_DELAY_SECONDS = 1.0  # labels are only displayed: they do not compete with the start of the run


class WarmProcessWorkerResult(BaseWorkerResult):
    """The pid of the process that executed the run; the status code is 0 unless that process died."""


class WarmProcessWorker(BaseWorker[WarmProcessJobConfiguration, WarmProcessVariables, WarmProcessWorkerResult]):
    """A worker with one child process for each of its slots."""

    type = "warm-process"
    job_configuration = WarmProcessJobConfiguration
    job_configuration_variables = WarmProcessVariables
    _display_name = "Warm process"
    _description = "Run flows in processes that stay alive between runs and keep their models loaded."

    def __init__(self, work_pool_name: str, *args: Any, limit: int | None = None, **kwargs: Any) -> None:
        self.options = WarmOptions()
        specs = self.options.slot_specs(limit)
        super().__init__(work_pool_name, *args, limit=len(specs), **kwargs)
        self._fork_server = ForkServer(process_environment())
        self.slots = [Slot(spec, self._fork_server, self._logger) for spec in specs]
        self.runs: dict[UUID, Run] = {}
        self.scheduler = RunScheduler(self.options)
        self._flows: dict[UUID, APIFlow] = {}
        self._tasks = BackgroundTasks(self._logger)
        self._publisher = StatusPublisher(self.options, self.status)
        self._schedule = PollSchedule(work_pool_name, self.slots)
        self._polling = asyncio.Lock()
        self._stopping = False

    async def setup(self) -> None:
        """Start the child processes and the background tasks; recover the runs of a worker that was killed."""
        await super().setup()
        for slot in self.slots:
            self._tasks.keep(slot.supervise)
        options = self.options
        pool, logger = self._work_pool_name, self._logger
        self._tasks.keep(lambda: recover_orphaned_runs(self.client, pool, options, logger))
        self._tasks.keep(lambda: forward_interruptions(self.client, self.runs, options.watch_seconds))
        if options.listen:
            self._tasks.keep(self._schedule.listen)
            self._tasks.keep(lambda: self._schedule.poll_on_events(self._poll_now))
        self._tasks.keep(lambda: enforce_memory_limit(self.slots, options.memory_megabytes))
        await self._publisher.start(self.client, self._tasks, self._logger)

    async def teardown(self, *exc_info: Any) -> None:
        """Claim no more runs, wait for the current ones for `drain_seconds`, then kill the processes."""
        self._stopping = True
        with anyio.CancelScope(shield=True):
            await self._drain(self.options.drain_seconds)
            for run in self.runs.values():
                run.abandon("The worker was stopped, and this run did not end in time.")
            await self._drain(_FINAL_STATES_SECONDS)
            await asyncio.gather(*(slot.close(seconds=3.0) for slot in self.slots))
            await self._tasks.cancel_all()
            self._fork_server.close()
            await self._publisher.close()
        await super().teardown(*exc_info)

    async def sync_with_backend(self) -> None:
        """Send the heartbeat. After the first one succeeded, an outage of the server does not end the worker."""
        try:
            await super().sync_with_backend()
        except httpx.TransportError:
            if not self._has_successfully_synced:
                raise

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Poll for runs and start them in the free slots, if a poll is due. Prefect calls this in a loop."""
        self._last_polled_time = prefect.types._datetime.now("UTC")
        return await self._poll() if self._schedule.is_due else []

    async def _poll(self) -> list[FlowRun]:
        async with self._polling:
            # A process may have died a moment ago, before its slot has noticed.
            idle = {slot.name: slot for slot in self.slots if slot.idle and process_start_time(slot.pid)}
            if self._stopping or not self._has_successfully_synced:
                return []
            self._schedule.polled()
            try:
                found = await self._get_scheduled_flow_runs()
                new = [one.flow_run for one in found if one.flow_run.id not in self._submitting_flow_run_ids]
                pairs = await self.scheduler.schedule(self.client, self._work_pool_name, new, idle)
            except httpx.TransportError:
                self._logger.warning("The Prefect server cannot be reached; runs in hand go on")
                return []
            for flow_run, slot in pairs:
                slot.flow_run_id = str(flow_run.id)
                self.limiter.acquire_on_behalf_of_nowait(flow_run.id)
                self._submitting_flow_run_ids.add(flow_run.id)
                self._tasks.start(self._claim_and_execute(flow_run, slot))
            return [flow_run for flow_run, _ in pairs]

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmProcessWorkerResult:
        """Execute an ad-hoc run in the next free slot. Polled runs do not pass here: their slot is chosen first."""
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
        """Cancel the run of this process; kill the process after the grace period."""
        found = parse_infrastructure_id(infrastructure_pid)
        if found is None or found.machine != self.options.machine:
            raise InfrastructureNotAvailable(f"{infrastructure_pid} is not a process of a warm worker on this machine.")
        slot = next((slot for slot in self.slots if slot.pid == found.pid), None)
        run = next((run for run in self.runs.values() if run.slot is slot), None)
        if slot is None or run is None or not found.is_alive:
            raise InfrastructureNotFound(f"Process {found.pid} has no run in hand.")
        await run.cancel(grace_seconds)

    def status(self) -> WorkerStatus:
        """Take a snapshot of the worker and its slots."""
        return WorkerStatus(
            worker=self.name,
            pool=self._work_pool_name,
            waiting_runs=self.scheduler.waiting_runs,
            queue_age_seconds=round(self.scheduler.age_seconds, 3),
            slots=[slot.status() for slot in self.slots],
        )

    async def _claim_and_execute(self, flow_run: FlowRun, slot: Slot) -> None:
        """Claim the run, execute it, and free the slot."""
        claimed = False
        try:
            claiming = claim(self.client, flow_run, self._infrastructure_id(slot))
            claimed, deployment = await asyncio.gather(claiming, self._deployment(flow_run))
            if claimed:
                configuration = await self._configure(flow_run, deployment)
                await self._execute(flow_run, deployment, configuration, slot)
        except ObjectNotFound:
            await self._mark_flow_run_as_cancelled(flow_run, {"message": "Its deployment no longer exists."})
        except Exception as error:
            self.get_flow_run_logger(flow_run).exception("The warm worker could not run this flow run")
            reason = f"The worker could not run it: {error}"
            await retry_or_crash(self.client, flow_run.id, reason, self.options.attempts)
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
        configuration.check_environment(slot.environment)
        run = Run(self.client, flow_run, deployment, configuration, slot, self.options)
        self.runs[flow_run.id] = run
        self._tasks.start(self._record_infrastructure(flow_run, slot))
        submitted = self._emit_flow_run_submitted_event(configuration)
        began = time.time()
        wanted = flow_run.next_scheduled_start_time or flow_run.expected_start_time
        self._publisher.metrics.observe_wait(self._work_pool_name, began - wanted.timestamp() if wanted else 0.0)
        try:
            code = await run.execute()
        finally:
            del self.runs[flow_run.id]
            self._publisher.metrics.observe_run(self._work_pool_name, time.time() - began)
        result = WarmProcessWorkerResult(identifier=str(slot.pid), status_code=code)
        self._emit_flow_run_executed_event(result, configuration, submitted)
        return result

    async def _record_infrastructure(self, flow_run: FlowRun, slot: Slot) -> None:
        """Record at the server which process executes the run: cancellation and recovery after a crash need it."""
        pid = self._infrastructure_id(slot)
        with suppress(ObjectNotFound, httpx.TransportError):  # the run was deleted, or the server is away
            await retry_during_outage(lambda: self.client.update_flow_run(flow_run.id, infrastructure_pid=pid))
            await asyncio.sleep(_LABELS_DELAY_SECONDS)
            await self._give_worker_labels_to_flow_run(flow_run.id)

    def _infrastructure_id(self, slot: Slot) -> str:
        return str(InfrastructureId(self.options.machine, slot.name, slot.pid, process_start_time(slot.pid)))

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

    async def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._submitting_flow_run_ids and time.monotonic() < deadline:  # noqa: ASYNC110 - rare and short
            await asyncio.sleep(0.05)

    async def _poll_now(self) -> list[FlowRun]:
        with suppress(httpx.HTTPError):
            return await self._poll()
        return []
