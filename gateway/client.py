"""The Python client of the HTTP API: `from gateway import Client`."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

import httpx
from pydantic import BaseModel, ConfigDict

from flows.running.errors import NotReachable
from gateway.errors import GatewayError, RunDidNotComplete, TooBusy, WrongInput

_TIMEOUT = httpx.Timeout(60, connect=5)
_SEARCH_TIMEOUT = httpx.Timeout(600, connect=5)
"""The first search after a start loads models, and makes their weights ready on a new machine."""
_FINAL_STATES = frozenset({"completed", "failed", "refused", "cancelled"})
_RECONNECT_SECONDS = 1.0
PROFILE_WRITER = "writer"
"""The name in chat completions of the profile's model that writes."""
_TOO_MANY_REQUESTS, _BAD_GATEWAY, _UNAVAILABLE = 429, 502, 503


class _Response(BaseModel):
    # A newer gateway may send fields that this client does not know.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Job(_Response):
    """The state of a job when it was read."""

    id: str
    deployment: str
    state: Literal["queued", "running", "waiting", "cancelling", "completed", "failed", "refused", "cancelled"]
    position: int | None
    estimate_seconds: float | None
    progress: float
    message: str | None

    @property
    def is_final(self) -> bool:
        return self.state in _FINAL_STATES


class Artifact(_Response):
    """An artifact in a list."""

    artifact: str
    name: str
    kind: Literal["image", "speech", "text", "data"]
    media_type: str
    size: int
    labels: tuple[str, ...]
    created: datetime


class Hit(_Response):
    """A search hit; a higher score is better."""

    artifact: str
    name: str
    kind: Literal["image", "speech", "text"]
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None
    place: str = ""


class Ingested(_Response):
    """The result of one uploaded file; `reason` says why it was rejected."""

    path: str
    status: Literal["stored", "duplicate", "rejected", "waiting"]
    artifact: str | None
    kind: str | None
    reason: str | None


class Picture(_Response):
    """A generated picture; the same prompt and seed give it again."""

    artifact: str
    seed: int
    name: str


class Client:
    """A connection to a gateway, in one project. URL and token default to those of the stack on this machine.

    `patience_seconds` is how long `result` and `run` ask again while the gateway restarts.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        *,
        patience_seconds: float = 60.0,
    ) -> None:
        self._patience_seconds = patience_seconds
        if url is None or token is None:
            from flows.running.settings import load_settings

            settings = load_settings()
            url = url or settings.gateway_url
            token = token or (settings.gateway_token.get_secret_value() if settings.gateway_token else None)
        if not url or not token:
            raise WrongInput("The client needs the address of a gateway, and a token of `triptych token create`.")
        headers = {"Authorization": f"Bearer {token}"}
        parameters = {"project": project} if project else None
        # Loading the CA certificates takes longer than a request to a gateway on this machine.
        secure = httpx.URL(url).scheme != "http"
        self._http = httpx.Client(base_url=url, headers=headers, params=parameters, timeout=_TIMEOUT, verify=secure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def answers(self) -> bool:
        """Whether the gateway answers."""
        try:
            return self._http.get("/health", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def search(
        self,
        words: str = "",
        *,
        like: str = "",
        kinds: Sequence[str] = ("image", "speech", "text"),
        labels: Sequence[str] = (),
        limit: int = 10,
        offset: int = 0,
    ) -> list[Hit]:
        """Search by words, by similarity to the artifact `like`, or by both."""
        query = {"words": words, "like": like, "kinds": kinds, "labels": labels, "limit": limit, "offset": offset}
        return [Hit.model_validate(hit) for hit in self.search_report(query)["hits"]]

    def search_report(self, query: dict[str, Any]) -> dict[str, Any]:
        """Search with all fields of /api/search, and return the whole answer.

        `total` is the number of hits of all pages; `looked_through` counts what was searched if there are none.
        """
        return self._request("POST", "/api/search", json=query, timeout=_SEARCH_TIMEOUT)

    def ask(self, question: str, before: Sequence[str] = (), **fields: Any) -> dict[str, Any]:
        """Ask the library; `before` are the questions of the same conversation. See /api/ask for the fields."""
        body = {"question": question, "before": list(before), **fields}
        return self._request("POST", "/api/ask", json=body, timeout=_SEARCH_TIMEOUT)

    def write(self, text: str, instructions: str = "", model: str = "", **settings: Any) -> Iterator[str]:
        """Yield what a causal language model writes, piece by piece; by default the profile's model.

        `settings` are max_tokens, temperature, top_p and seed.
        """
        told = [{"role": "system", "content": instructions}] if instructions else []
        messages = [*told, {"role": "user", "content": text}]
        body = {"model": model or PROFILE_WRITER, "messages": messages, "stream": True, **settings}
        path = "/v1/chat/completions"
        with self._translated_errors(), self._http.stream("POST", path, json=body, timeout=_SEARCH_TIMEOUT) as answer:
            for line in _checked(answer).iter_lines():
                event = line.removeprefix("data:").strip()
                if not line.startswith("data:") or event == "[DONE]":
                    continue
                document = json.loads(event)
                if "error" in document:
                    raise GatewayError(document["error"]["message"])
                yield from (choice["delta"].get("content") or "" for choice in document["choices"])

    def artifacts(self, *, kinds: Sequence[str] = (), labels: Sequence[str] = (), name: str = "") -> Iterator[Artifact]:
        """Iterate over the project's artifacts, newest first."""
        after: str | None = None
        while True:
            query = {"kind": list(kinds), "label": list(labels), "name": name, "limit": 200}
            page = self._request("GET", "/api/artifacts", params=query | ({"after": after} if after else {}))
            yield from (Artifact.model_validate(row) for row in page["rows"])
            after = page["next"]
            if after is None:
                return

    def upload(self, files: Sequence[Path], labels: Sequence[str] = ()) -> list[Ingested]:
        """Ingest files; return the result of each, in order."""
        opened = [path.open("rb") for path in files]
        try:
            parts = [("file", (path.name, file)) for path, file in zip(files, opened, strict=True)]
            job = self._request("POST", "/api/artifacts", files=parts, data={"label": list(labels)})
        finally:
            for file in opened:
                file.close()
        return [Ingested.model_validate(item) for item in self.result(Job.model_validate(job))["items"]]

    def download(self, artifact: str, path: Path) -> Path:
        """Write the bytes of an artifact to a file and return its path."""
        with self._translated_errors(), self._http.stream("GET", f"/api/artifacts/{artifact}/download") as answer:
            url = _checked(answer).headers.get("location")
            if url is None:
                return _written(answer, path)
        with self._translated_errors(), httpx.stream("GET", url, timeout=_TIMEOUT) as answer:
            return _written(_checked(answer), path)

    def generate(self, prompt: str, *, progress: Callable[[float], None] | None = None, **order: Any) -> list[Picture]:
        """Generate pictures; `order` has more parameters of generate-images: style, count, seed, size, start_from, …"""
        report = self.run("generate-images", {"prompt": prompt, **order}, progress)
        return [Picture.model_validate(image) for image in report["images"]]

    def transcribe(self, artifact: str, *, language: str = "", to: str = "") -> dict[str, Any]:
        """Transcribe a stored recording; return its language, text, segments and files."""
        return self.run("transcribe-audio", {"recording": artifact, "language": language, "to": to})

    def translate(self, text: str, target: str, source: str = "") -> str:
        """Translate a text into the language `target`; the number of lines stays."""
        return str(self.run("translate-text", {"text": text, "target": target, "source": source})["text"])

    def run(
        self, deployment: str, values: dict[str, Any], progress: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Start a deployment, wait until it ends and return its report."""
        return self.result(self.submit(deployment, values), progress)

    def submit(self, deployment: str, values: dict[str, Any], key: str | None = None) -> Job:
        """Start a deployment. Calls with the same idempotency `key` start one job, so a lost answer can be retried."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        order = {"deployment": deployment, "parameters": values}
        return Job.model_validate(self._request("POST", "/api/jobs", json=order, headers=headers))

    def job(self, job_id: str) -> Job:
        """Read the state of a job."""
        return Job.model_validate(self._request("GET", f"/api/jobs/{job_id}"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return Job.model_validate(self._request("POST", f"/api/jobs/{job_id}/cancel"))

    def follow(self, job_id: str) -> Iterator[Job]:
        """Yield the job as it is, then after each change until it is final."""
        with self._translated_errors(), self._http.stream("GET", f"/api/jobs/{job_id}/events") as answer:
            for line in _checked(answer).iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    if "error" in event:
                        raise NotReachable(event["error"])
                    yield Job.model_validate(event)

    def result(self, job: Job, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
        """Wait until a job ends and return its report.

        While the gateway is away, it is asked again for `patience_seconds`; then NotReachable is raised.
        """
        latest, lost_since = job, None
        while not latest.is_final:
            try:
                for latest in self.follow(job.id):
                    lost_since = None
                    if progress:
                        progress(latest.progress)
                latest = latest if latest.is_final else self.job(job.id)
            except NotReachable:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > self._patience_seconds:
                    raise
                time.sleep(_RECONNECT_SECONDS)
        return self._request("GET", f"/api/jobs/{job.id}/result")

    def _request(self, method: str, path: str, **request: Any) -> Any:
        with self._translated_errors():
            return _checked(self._http.request(method, path, **request)).json()

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        try:
            yield
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise NotReachable(f"The gateway {self._http.base_url} is there, and has not answered in time.") from error
        except httpx.TransportError as error:
            raise NotReachable(f"The gateway {self._http.base_url} does not answer.") from error


def _written(answer: httpx.Response, path: Path) -> Path:
    with path.open("wb") as file:
        for chunk in answer.iter_bytes():
            file.write(chunk)
    return path


def _checked(answer: httpx.Response) -> httpx.Response:
    """Return the answer, or raise the error that its status and body describe."""
    if answer.status_code < 400:
        return answer
    answer.read()
    try:
        error = answer.json()["error"]
        message = str(error["message"] if isinstance(error, dict) else error)  # OpenAI's form, or ours
    except (ValueError, KeyError, TypeError):
        message = f"The gateway answers {answer.status_code}."
    if answer.status_code == _TOO_MANY_REQUESTS:
        raise TooBusy(message, float(answer.headers.get("retry-after", 1)))
    if answer.status_code == _BAD_GATEWAY:
        raise RunDidNotComplete(message)
    if answer.status_code == _UNAVAILABLE:
        raise NotReachable(message)
    raise WrongInput(message) if answer.status_code < 500 else GatewayError(message)
