"""The job configuration of the work pool: the variables that a pool, deployment or run may set, and their limits."""

from collections.abc import Mapping
from typing import Any

from prefect.client.schemas.objects import Flow as APIFlow
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.workers.base import BaseJobConfiguration, BaseVariables
from pydantic import Field

_READ_AT_START = frozenset(
    {
        *("CUDA_VISIBLE_DEVICES", "PYTHONPATH", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        *("PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"),
        *("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_SETTINGS_PATH", "PREFECT_LOGGING_EXTRA_LOGGERS"),
    }
)
_READ_AT_START_PREFIXES = ("PREFECT_API_", "PREFECT_CLOUD_", "PREFECT_LOGGING_TO_API_")


class NotInAWarmProcess(Exception):
    """The run sets something that takes effect only in a new process."""


class WarmProcessJobConfiguration(BaseJobConfiguration):
    """The configuration of one run, with its variables resolved."""

    working_dir: str | None = Field(default=None)
    cancel_grace_seconds: float | None = Field(default=None)

    @classmethod
    async def for_run(
        cls,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None,
        flow: APIFlow,
        *,
        work_pool: WorkPool,
        worker_name: str,
        worker_id: Any,
        client: Any,
    ) -> "WarmProcessJobConfiguration":
        """Fill the pool's template with the variables of the deployment, overridden by those of the run."""
        # Equivalent to `resolve_for_flow_run`, which reads deployment and flow from the server again for each run.
        variables = dict(deployment.job_variables or {}) if deployment else {}
        own = dict(flow_run.job_variables or {})
        if isinstance(variables.get("env"), dict):
            variables["env"] = {**variables["env"], **own.pop("env", {})}
        variables.update(own)
        found: WarmProcessJobConfiguration = await cls.from_template_and_values(
            base_job_template=work_pool.base_job_template, values=variables, client=client
        )
        found.prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id)
        return found

    def check_environment(self, environment: Mapping[str, str]) -> None:
        """Raise NotInAWarmProcess if the run changes a variable that a process reads when it starts, or the command."""
        for name, value in self.env.items():
            if (name in _READ_AT_START or name.startswith(_READ_AT_START_PREFIXES)) and environment.get(name) != value:
                raise NotInAWarmProcess(
                    f"This run sets {name}, which a process reads when it starts: set it where the warm worker is "
                    "started, or run this deployment in a pool of type process."
                )
        if self.command not in (None, self._base_flow_run_command()):
            raise NotInAWarmProcess(
                "This run brings a command of its own, and a warm process runs flows only: remove the job variable "
                "`command`, or use a pool of type process."
            )


class WarmProcessVariables(BaseVariables):
    """The variables in the pool's form of Prefect's UI."""

    working_dir: str | None = Field(
        default=None,
        title="Working Directory",
        description="Where runs start; a new empty folder for each run if left out. Pull steps may go elsewhere.",
    )
    cancel_grace_seconds: float | None = Field(
        default=None,
        title="Cancel Grace Seconds",
        description="How long a cancelled run may take to end before its process is killed. The worker's if left out.",
    )
