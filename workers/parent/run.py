"""One run in a slot, from the order to its end: also when it is cancelled, or when its process ends with it."""

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
from workers.parent.states import finish_cancel, is_over, put_back

_ASK_AGAIN_SECONDS = 0.1
_NEW_PROCESSES = 3
"""How often a run is tried in a new process because the old one held other code."""


class Run:
    """A claimed run and the slot that was kept for it."""

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
        self._order = RunFlow(
            flow_run=flow_run.model_dump(mode="json"),
            deployment=deployment.model_dump(mode="json") if deployment else None,
            environment={name: value for name, value in configuration.env.items() if value is not None},
            working_dir=configuration.working_dir,
        )
        self._over = asyncio.Event()
        self._cancelling = False
        self._suspended = False
        self._abandoned: str | None = None

    async def to_its_end(self) -> int:
        """Run it. Returns 0, or 1 when the process did not outlive it. The server knows its final state by then."""
        try:
            done = await self._execute(self._order)
        except ProcessEnded as reason:
            self._over.set()
            await self._without_a_process(str(reason))
            return 1
        self._over.set()
        self.slot.runs_done += 1
        if self._is_worn():
            self.slot.recycle()
        if done.outcome != "ended":
            await self._settle(done)
        return 0

    async def cancel(self, grace_seconds: float | None = None) -> None:
        """Have the engine cancel the run; kill its process when it has not ended by the end of the grace."""
        if self._cancelling:
            return
        self._cancelling = True
        grace = next(one for one in (grace_seconds, self._grace, self._options.cancel_grace_seconds) if one is not None)
        deadline = time.monotonic() + grace
        # The engine listens from when it has begun the run to when it has ended it; before, the flow is being loaded.
        while not self._over.is_set() and time.monotonic() < deadline:
            if await self.slot.cancel(str(self.id), _ASK_AGAIN_SECONDS):
                break
        try:
            await asyncio.wait_for(self._over.wait(), max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            self.slot.kill()

    def suspend(self, state: State) -> None:
        """Tell the engine, which stops at its next boundary."""
        if not self._suspended:
            self._suspended = True
            self.slot.tell(Suspend(flow_run_id=str(self.id), state=state.model_dump(mode="json")))

    def abandon(self, reason: str) -> None:
        """End the process because the worker ends; the reason is what the run will say."""
        self._abandoned = reason
        self.slot.kill()

    async def _execute(self, order: RunFlow) -> Done:
        reason = ""
        for _ in range(_NEW_PROCESSES):
            answer = await self.slot.execute(order)
            if isinstance(answer, Done):
                return answer
            reason = answer.reason
            self.slot.recycle()
        raise ProcessEnded(f"No new process runs the right code for this run: {reason}.")

    def _is_worn(self) -> bool:
        """Whether the process has done its share, or holds too much memory."""
        options, slot = self._options, self.slot
        if options.recycle_runs and slot.runs_of_process >= options.recycle_runs:
            return True
        return bool(options.recycle_megabytes) and slot.resident_bytes > options.recycle_megabytes * 2**20

    async def _without_a_process(self, reason: str) -> None:
        if self._cancelling:
            self._flow_run.state = Cancelling(message="The process was killed after the grace time.")
            await self._run_hooks("cancellation")
            await finish_cancel(self._client, self.id, "Cancelled; the flow did not yield, and its process was killed.")
            return
        crashed = await put_back(self._client, self.id, self._abandoned or reason, self._options.attempts)
        if crashed is not None and self._abandoned is None:
            self._flow_run = crashed
            await self._run_hooks("crashed")

    async def _run_hooks(self, which: str) -> None:
        """The hooks of a run whose process is gone run in the new one."""
        order = self._order.model_copy(update={"flow_run": self._flow_run.model_dump(mode="json"), "hooks": which})
        try:
            await self._execute(order)
        except ProcessEnded:
            return  # they killed the next process too: nothing more can be done for them

    async def _settle(self, done: Done) -> None:
        """Say what the engine did not: a cancel that came before it began, a flow that could not be loaded."""
        flow_run = await is_over(self._client, self.id)
        if flow_run is None or flow_run.state is None:
            return
        if flow_run.state.is_cancelling():
            await finish_cancel(self._client, self.id, "Cancelled before the flow began.")
        elif done.outcome == "broken":
            problem = done.problem or "The flow ended without a state."
            await put_back(self._client, self.id, problem, self._options.attempts)
