"""A question is handed over to a person: the answer says so, and a signed event tells the project's webhook."""

import json
import threading
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import standardwebhooks

from flows.library.classification.vectors import text_vectors
from flows.running.platform import Platform
from flows.running.settings import Settings
from modalities.classification.head import Head, HeadFacts
from modalities.models.published import PublishedModels
from tests.gateway.conftest import NewToken, client_of
from tests.gateway.http.test_webhooks import Receiver
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
ENCODER = "starter-minilm"
KINDS = {"complaint": "I want to complain: this is bad, and I want my money back.", "opening": "When do you open?"}


def publish_head(platform: Platform, project: str, folder: Path) -> None:
    """Publish a head for which a text is of the label whose text is near."""
    rows = np.stack(text_vectors(platform.space(project), ENCODER, list(KINDS.values())))
    facts = HeadFacts(
        kind="texts",
        labels=tuple(KINDS),
        encoder=ENCODER,
        space=platform.vector_space(ENCODER),
        temperature=1.0,
        threshold=0.0,
        dataset="by-hand@0",
    )
    folder.mkdir()
    Head(facts, (20 * rows).astype(np.float32), np.zeros(len(KINDS), np.float32)).save(folder)
    models, model = PublishedModels(platform.bucket), f"classifier.{project}.wishes"
    models.move_alias(model, "live", models.upload(model, folder))


def test_a_complaint_goes_to_a_person_and_the_webhook_is_told(
    address: str, new_token: NewToken, stack_settings: Settings, tmp_path: Path
) -> None:
    project = f"wishes-{uuid4().hex[:8]}"
    publish_head(Platform(stack_settings), project, tmp_path / "head")
    receiver, complaint = Receiver(), "I want to complain, and I want my money back."
    threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
    with (
        client_of(address, new_token("maker", project)) as maker,
        client_of(address, new_token("viewer", project)) as v,
    ):
        assert maker.get("/api/ask/intents").json() is None
        assert maker.put("/api/ask/intents", json={"classifier": "nothing"}).status_code >= 400
        settings = {"classifier": "wishes", "least": 0.5, "hand_over": ["complaint"]}
        assert maker.put("/api/ask/intents", json=settings).json() == settings
        assert v.put("/api/ask/intents", json=settings).status_code == 403
        untold = v.post("/api/ask", json={"question": complaint}).json()
        assert untold["notices"][-1] == "Nobody was told: the project has no webhook."
        hook = maker.post("/api/webhooks", json={"url": receiver.url}).json()
        answer = v.post("/api/ask", json={"question": complaint}).json()
        assert (answer["handed_over"], answer["known"]) == (True, False)
        assert answer["text"] == "A person will answer this: I have handed it over."
        other = v.post("/api/ask", json={"question": "When do you open tomorrow?"}).json()
        assert (other["handed_over"], other["intent"]["label"]) == (False, "opening")
        wait_for(lambda: bool(receiver.received), 60, "the event")
        headers, body = receiver.received[0]
        standardwebhooks.Webhook(hook["secret"]).verify(body, headers)
        event = json.loads(body)
        assert event["type"] == "answer.handed_over"
        assert (event["data"]["question"], event["data"]["intent"]["label"]) == (complaint, "complaint")
        assert maker.delete("/api/ask/intents").status_code == 204
        assert v.post("/api/ask", json={"question": complaint}).json()["intent"] is None
    receiver.server.shutdown()
    bucket = Platform(stack_settings).bucket
    wait_for(
        lambda: all(complaint.encode() not in bucket.get(found.key) for found in bucket.objects("gateway/deliveries/")),
        20,
        "that nothing of the question is left",
    )
