"""The execution of one flow run in a slot, including cancellation and the death of the process."""

import asyncio
import time
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Cancelling

from workers.job_configuration import WarmProcessJobConfiguration
from workers.messages import Done, RunFlow, Suspend
from workers.options import WarmOptions
from workers.parent.slot import ProcessEnded, Slot
from workers.parent.states import mark_cancelled, retry_or_crash, unfinished_run

_CANCEL_RETRY_SECONDS = 0.1
_MAX_PROCESSES = 3
"""In how many processes a run is tried, because the one before had imported stale code."""


class Run:
    """A claimed flow run and the slot that is reserved for it."""

    def __init__(
        self,
        client: PrefectClient,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None,
        configuration: WarmProcessJobConfiguration,
        slot: Slot,
        options: WarmOptions,
    ) -> None:
        self.slot = slot
        self.id: UUID = flow_run.id
        self._client = client
        self._flow_run = flow_run
        self._options = options
        self._grace = configuration.cancel_grace_seconds
        self._command = RunFlow(
            flow_run=flow_run.model_dump(mode="json"),
            deployment=deployment.model_dump(mode="json") if deployment else None,
            environment={name: value for name, value in configuration.env.items() if value is not None},
            working_dir=configuration.working_dir,
        )
        self._over = asyncio.Event()
        self._cancelling = False
        self._suspended = False
        self._abandoned: str | None = None

    async def execute(self) -> int:
        """Execute the run and report its final state to the server. Returns 0, or 1 if the process died."""
        try:
            done = await self._send(self._command)
        except ProcessEnded as reason:
            self._over.set()
            await self._process_died(str(reason))
            return 1
        self._over.set()
        self.slot.runs_done += 1
        if self._needs_recycling():
            self.slot.recycle()
        if done.outcome != "ended":
            await self._set_final_state(done)
        return 0

    async def cancel(self, grace_seconds: float | None = None) -> None:
        """Cancel the run through the engine; kill its process if it has not ended after the grace period."""
        if self._cancelling:
            return
        self._cancelling = True
        grace = next(one for one in (grace_seconds, self._grace, self._options.cancel_grace_seconds) if one is not None)
        deadline = time.monotonic() + grace
        # The engine can be interrupted only while it executes the flow; before, the flow is being loaded.
        while not self._over.is_set() and time.monotonic() < deadline:
            if await self.slot.cancel(str(self.id), _CANCEL_RETRY_SECONDS):
                break
        try:
            await asyncio.wait_for(self._over.wait(), max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            self.slot.kill()

    def suspend(self, state: State) -> None:
        """Forward the suspension to the engine, which stops at the next task boundary."""
        if not self._suspended:
            self._suspended = True
            self.slot.send(Suspend(flow_run_id=str(self.id), state=state.model_dump(mode="json")))

    def abandon(self, reason: str) -> None:
        """Kill the process because the worker stops; `reason` becomes the message of the run's state."""
        self._abandoned = reason
        self.slot.kill()

    async def _send(self, command: RunFlow) -> Done:
        reason = ""
        for _ in range(_MAX_PROCESSES):
            reply = await self.slot.execute(command)
            if isinstance(reply, Done):
                return reply
            reason = reply.reason
            self.slot.recycle()
        raise ProcessEnded(f"No new process runs the right code for this run: {reason}.")

    def _needs_recycling(self) -> bool:
        """Whether the process has executed `recycle_runs` runs or uses more than `recycle_megabytes`."""
        options, slot = self._options, self.slot
        if options.recycle_runs and slot.runs_of_process >= options.recycle_runs:
            return True
        return bool(options.recycle_megabytes) and slot.resident_bytes > options.recycle_megabytes * 2**20

    async def _process_died(self, reason: str) -> None:
        if self._cancelling:
            self._flow_run.state = Cancelling(message="The process was killed after the grace time.")
            await self._run_hooks("cancellation")
            await mark_cancelled(
                self._client, self.id, "Cancelled; the flow did not yield, and its process was killed."
            )
            return
        crashed = await retry_or_crash(self._client, self.id, self._abandoned or reason, self._options.attempts)
        if crashed is not None and self._abandoned is None:
            self._flow_run = crashed
            await self._run_hooks("crashed")

    async def _run_hooks(self, which: str) -> None:
        """Run the hooks of a run whose process died in the process that replaced it."""
        command = self._command.model_copy(update={"flow_run": self._flow_run.model_dump(mode="json"), "hooks": which})
        try:
            await self._send(command)
        except ProcessEnded:
            return  # the hooks killed this process too

    async def _set_final_state(self, done: Done) -> None:
        """Set the state that the engine did not: cancelled before the flow began, or not loaded."""
        flow_run = await unfinished_run(self._client, self.id)
        if flow_run is None or flow_run.state is None:
            return
        if flow_run.state.is_cancelling():
            await mark_cancelled(self._client, self.id, "Cancelled before the flow began.")
        elif done.outcome == "broken":
            problem = done.problem or "The flow ended without a state."
            await retry_or_crash(self._client, self.id, problem, self._options.attempts)
