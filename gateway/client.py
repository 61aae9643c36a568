"""The client: Triptych from Python. `from gateway import Client`."""

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
_FINAL = frozenset({"completed", "failed", "refused", "cancelled"})
_PAUSE_SECONDS = 1.0
_BUSY, _AWAY, _FAILED = 429, 503, 502


class _Answer(BaseModel):
    # A newer gateway may say more than this client knows.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Job(_Answer):
    """A job and how it stood when it was read."""

    id: str
    deployment: str
    state: Literal["queued", "running", "waiting", "cancelling", "completed", "failed", "refused", "cancelled"]
    position: int | None
    estimate_seconds: float | None
    progress: float
    message: str | None

    @property
    def is_final(self) -> bool:
        return self.state in _FINAL


class Artifact(_Answer):
    """An artifact in a list."""

    artifact: str
    name: str
    kind: Literal["image", "speech", "text", "data"]
    media_type: str
    size: int
    labels: tuple[str, ...]
    created: datetime


class Hit(_Answer):
    """A part that was found; a higher score is better."""

    artifact: str
    name: str
    kind: Literal["image", "speech", "text"]
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None


class Ingested(_Answer):
    """What became of an uploaded file."""

    path: str
    status: Literal["stored", "duplicate", "rejected"]
    artifact: str | None
    kind: str | None
    reason: str | None


class Picture(_Answer):
    """A generated picture; its seed makes it again."""

    artifact: str
    seed: int
    name: str


class Client:
    """A gateway, as one person in one project. Address and token default to those of the stack on this machine."""

    def __init__(self, url: str | None = None, token: str | None = None, project: str | None = None) -> None:
        if url is None or token is None:
            from flows.running.settings import load_settings

            settings = load_settings()
            url = url or settings.gateway_url
            token = token or (settings.gateway_token.get_secret_value() if settings.gateway_token else None)
        if not url or not token:
            raise WrongInput("The client needs the address of a gateway, and a token of `triptych token create`.")
        headers = {"Authorization": f"Bearer {token}"}
        parameters = {"project": project} if project else None
        # To read the machine's certificates takes longer than to ask a gateway on this machine.
        secure = httpx.URL(url).scheme != "http"
        self._http = httpx.Client(base_url=url, headers=headers, params=parameters, timeout=_TIMEOUT, verify=secure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def answers(self) -> bool:
        """Whether the gateway is there."""
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
        """Find by words, by what is like an artifact, or by both."""
        query = {"words": words, "like": like, "kinds": kinds, "labels": labels, "limit": limit, "offset": offset}
        return [Hit.model_validate(hit) for hit in self._ask("POST", "/api/search", json=query)["hits"]]

    def artifacts(self, *, kinds: Sequence[str] = (), labels: Sequence[str] = (), name: str = "") -> Iterator[Artifact]:
        """The project's artifacts, newest first, page after page."""
        after: str | None = None
        while True:
            wanted = {"kind": list(kinds), "label": list(labels), "name": name, "limit": 200}
            page = self._ask("GET", "/api/artifacts", params=wanted | ({"after": after} if after else {}))
            yield from (Artifact.model_validate(row) for row in page["rows"])
            after = page["next"]
            if after is None:
                return

    def upload(self, files: Sequence[Path], labels: Sequence[str] = ()) -> list[Ingested]:
        """Take files in; what became of each, in order."""
        opened = [path.open("rb") for path in files]
        try:
            sent = [("file", (path.name, file)) for path, file in zip(files, opened, strict=True)]
            job = self._ask("POST", "/api/artifacts", files=sent, data={"label": list(labels)})
        finally:
            for file in opened:
                file.close()
        return [Ingested.model_validate(item) for item in self.result(Job.model_validate(job))["items"]]

    def download(self, artifact: str, path: Path) -> Path:
        """Write the bytes of an artifact to a file."""
        with self._said(), self._http.stream("GET", f"/api/artifacts/{artifact}/download") as answer:
            link = _checked(answer).headers["location"]
        with self._said(), httpx.stream("GET", link, timeout=_TIMEOUT) as answer, path.open("wb") as file:
            for chunk in _checked(answer).iter_bytes():
                file.write(chunk)
        return path

    def generate(self, prompt: str, *, progress: Callable[[float], None] | None = None, **order: Any) -> list[Picture]:
        """Pictures from words; `order` as in the form of generate-images: style, count, seed, size, start_from, …"""
        report = self.run("generate-images", {"prompt": prompt, **order}, progress)
        return [Picture.model_validate(image) for image in report["images"]]

    def transcribe(self, artifact: str, *, language: str = "", to: str = "") -> dict[str, Any]:
        """What is said in a stored recording: language, text, segments and files."""
        return self.run("transcribe-audio", {"recording": artifact, "language": language, "to": to})

    def translate(self, text: str, target: str, source: str = "") -> str:
        """A text in another language, with as many lines."""
        return str(self.run("translate-text", {"text": text, "target": target, "source": source})["text"])

    def run(
        self, deployment: str, values: dict[str, Any], progress: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Run a deployment to its end; its report. Raises WrongInput, RunDidNotComplete, TooBusy, NotReachable."""
        return self.result(self.submit(deployment, values), progress)

    def submit(self, deployment: str, values: dict[str, Any], key: str | None = None) -> Job:
        """Start a deployment. The same `key` starts it once, whatever happens to the connection."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        order = {"deployment": deployment, "parameters": values}
        return Job.model_validate(self._ask("POST", "/api/jobs", json=order, headers=headers))

    def job(self, job_id: str) -> Job:
        """How a job stands."""
        return Job.model_validate(self._ask("GET", f"/api/jobs/{job_id}"))

    def cancel(self, job_id: str) -> Job:
        """Stop a job."""
        return Job.model_validate(self._ask("POST", f"/api/jobs/{job_id}/cancel"))

    def follow(self, job_id: str) -> Iterator[Job]:
        """A job at each change, until it has ended."""
        with self._said(), self._http.stream("GET", f"/api/jobs/{job_id}/events") as answer:
            for line in _checked(answer).iter_lines():
                if line.startswith("data:"):
                    told = json.loads(line.removeprefix("data:"))
                    if "error" in told:
                        raise NotReachable(told["error"])
                    yield Job.model_validate(told)

    def result(self, job: Job, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
        """Wait for a job's report; a connection that breaks off is made again."""
        seen = job
        while not seen.is_final:
            try:
                for seen in self.follow(job.id):
                    if progress:
                        progress(seen.progress)
            except NotReachable:
                time.sleep(_PAUSE_SECONDS)
                seen = self.job(job.id)
        return self._ask("GET", f"/api/jobs/{job.id}/result")

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        with self._said():
            return _checked(self._http.request(method, path, **request)).json()

    @contextmanager
    def _said(self) -> Generator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise NotReachable(f"The gateway {self._http.base_url} does not answer.") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer, or the error that it tells of."""
    if answer.status_code < 400:
        return answer
    answer.read()
    try:
        message = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        message = f"The gateway answers {answer.status_code}."
    if answer.status_code == _BUSY:
        raise TooBusy(message, float(answer.headers.get("retry-after", 1)))
    if answer.status_code == _FAILED:
        raise RunDidNotComplete(message)
    if answer.status_code == _AWAY:
        raise NotReachable(message)
    raise WrongInput(message) if answer.status_code < 500 else GatewayError(message)
