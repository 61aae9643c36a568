"""Trainings that fall silent: the Prefect server takes a run for crashed whose process no longer says that it lives."""

from typing import Any

from stack.servers.prefect import PrefectApi

NAME = "silent-trainings"
SILENCE_SECONDS = 600.0
"""Runs say every 180 s that they live; a training outlives a server that takes minutes to come back."""
_SIGNS_OF_LIFE = ("Pending", "Submitting", "Running", "Retrying", "heartbeat")
_MESSAGE = "Its process is gone: it said nothing for some minutes. Begun again, it goes on from its last checkpoint."


def automation(silence: float = SILENCE_SECONDS) -> dict[str, Any]:
    """As Prefect's API takes it. For trainings alone: warm workers see for themselves which processes are gone."""
    return {
        "name": NAME,
        "description": "A training whose process and worker were both killed does not stay Running for ever.",
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": "train-model"},
            "for_each": ["prefect.resource.id"],
            "after": [f"prefect.flow-run.{sign}" for sign in _SIGNS_OF_LIFE],
            "expect": ["prefect.flow-run.*"],
            "threshold": 1,
            "within": silence,
        },
        "actions": [{"type": "change-flow-run-state", "state": "CRASHED", "name": "Crashed", "message": _MESSAGE}],
    }


def watch_trainings(api: PrefectApi) -> None:
    """Make the automation, or bring the one of an earlier version up to date; a switch set by a person stays."""
    with api.client() as client:
        found = client.post("/automations/filter", json={"automations": {"name": {"any_": [NAME]}}})
        known = found.raise_for_status().json()
        if known:
            body = automation() | {"enabled": known[0]["enabled"]}
            client.put(f"/automations/{known[0]['id']}", json=body).raise_for_status()
        else:
            client.post("/automations/", json=automation()).raise_for_status()
