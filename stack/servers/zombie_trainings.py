"""A Prefect automation that marks zombie trainings, whose heartbeats stopped, as Crashed."""

from typing import Any

from stack.servers.prefect import PrefectApi

NAME = "silent-trainings"
HEARTBEAT_TIMEOUT_SECONDS = 600.0
"""Runs send a heartbeat every 180 s; the timeout also covers minutes of downtime of the server."""
_TRIGGER_EVENTS = ("Pending", "Submitting", "Running", "Retrying", "heartbeat")
_MESSAGE = "Its process is gone: it said nothing for some minutes. Begun again, it goes on from its last checkpoint."


def automation(timeout_seconds: float = HEARTBEAT_TIMEOUT_SECONDS) -> dict[str, Any]:
    """Return the automation for Prefect's API. Only for trainings: warm workers notice dead processes themselves."""
    return {
        "name": NAME,
        "description": "A training whose process and worker were both killed does not stay Running for ever.",
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": "train-model"},
            "for_each": ["prefect.resource.id"],
            "after": [f"prefect.flow-run.{event}" for event in _TRIGGER_EVENTS],
            "expect": ["prefect.flow-run.*"],
            "threshold": 1,
            "within": timeout_seconds,
        },
        "actions": [{"type": "change-flow-run-state", "state": "CRASHED", "name": "Crashed", "message": _MESSAGE}],
    }


def ensure_automation(api: PrefectApi) -> None:
    """Create the automation or update an earlier version of it, but leave it disabled if a person disabled it."""
    with api.client() as client:
        found = client.post("/automations/filter", json={"automations": {"name": {"any_": [NAME]}}})
        known = found.raise_for_status().json()
        if known:
            body = automation() | {"enabled": known[0]["enabled"]}
            client.put(f"/automations/{known[0]['id']}", json=body).raise_for_status()
        else:
            client.post("/automations/", json=automation()).raise_for_status()
