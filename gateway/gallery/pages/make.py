"""The page that generates pictures: the form, and the progress of its job."""

from collections.abc import Sequence
from typing import Annotated, Any, get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from flows.answering.writers import Writer, find_writer
from flows.generate_images import generation_requests
from flows.library.inputs import resolve_input
from flows.running.content_forms import SIZES
from flows.running.context import local_context
from flows.running.errors import EXPECTED
from flows.running.platform import Space
from flows.writing.prompts import better_prompt
from gateway.errors import GatewayError, NotFound
from gateway.gallery.page import PageRenderer, redirect_to
from gateway.gallery.parts.picture_form import STYLES, PictureForm, form_like
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker, Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.jobs.job import Job
from modalities.generation.pipelines import Scheduler
from modalities.generation.requests import GeneratedImage
from modalities.models.operators import recipe_name

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
DEPLOYMENT = "generate-images"
_LONGEST_PROMPT = 4000


class FinishedPicture(BaseModel):
    """A picture that the job has finished."""

    id: str
    seed: int
    name: str


@router.get("/make")
async def show_form(request: Request, caller: Maker, like: str = "") -> Response:
    """Show the form, empty or filled with the request that generated the picture `like`."""
    form = await run_in_threadpool(form_like, caller.space, like) if like else PictureForm()
    return await _page(PageRenderer(request, caller.person), caller.space, form, candidate=like)


@router.post("/make")
async def submit(request: Request, caller: Maker, form: Annotated[PictureForm, Form()]) -> Response:
    """Submit the job, and redirect to the page that shows its progress."""
    renderer = PageRenderer(request, caller.person)
    try:
        order = form.order(caller.project)
        values = {"order": order.model_dump(mode="json")}
        job = await caller.services.jobs.submit(caller.person, caller.project, DEPLOYMENT, values)
    except ValidationError as error:
        first = error.errors()[0]
        sentence = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
        return await _page(renderer, caller.space, form, error=sentence, status=422)
    except (*EXPECTED, GatewayError) as error:
        return await _page(renderer, caller.space, form, error=str(error), status=422)
    return redirect_to(f"/make/{job.id}?{form.query}")


@router.post("/make/better")
@starts_no_job
async def say_better(request: Request, caller: Maker, form: Annotated[PictureForm, Form()]) -> Response:
    """Let a language model say the prompt better, and show the form with it."""
    renderer, writer = PageRenderer(request, caller.person), _writer(caller.space)
    if writer is None:
        raise NotFound("No model that writes is set up.")
    if not form.prompt.strip():
        return await _page(renderer, caller.space, form)
    try:
        async with caller.services.writing_slot:
            better = await better_prompt(form.prompt[:_LONGEST_PROMPT], writer)
    except (*EXPECTED, GatewayError) as error:
        return await _page(renderer, caller.space, form, error=str(error), status=422)
    return await _page(renderer, caller.space, form.model_copy(update={"prompt": better}), said=form.prompt)


@router.get("/make/{job}")
async def show_job(request: Request, caller: Viewer, job: UUID) -> Response:
    """Show the form, whose fields are in the address, and the pictures that are finished."""
    renderer, form = PageRenderer(request, caller.person), PictureForm.model_validate(dict(request.query_params))
    found = await caller.services.jobs.get(caller.project, job)
    return await _page(renderer, caller.space, form, job=found)


@router.get("/make/{job}/pictures")
async def show_pictures(request: Request, caller: Viewer, job: UUID) -> Response:
    """Render the part of the page that changes while the job runs."""
    renderer, form = PageRenderer(request, caller.person), PictureForm.model_validate(dict(request.query_params))
    found = await caller.services.jobs.get(caller.project, job)
    html = renderer.render("job_pictures.html", **await _job_values(renderer, caller.space, form, found))
    return HTMLResponse(html, headers={"X-Ended": "yes" if found.is_final else "no", "Cache-Control": "no-store"})


@router.post("/make/{job}/cancel")
async def cancel(request: Request, caller: Maker, job: UUID) -> Response:
    """Cancel the job; finished pictures are kept."""
    await caller.services.jobs.cancel(caller.project, job)
    return redirect_to(f"/make/{job}?{request.url.query}")


async def _page(
    renderer: PageRenderer,
    space: Space,
    form: PictureForm,
    *,
    job: Job | None = None,
    candidate: str = "",
    error: str = "",
    said: str = "",
    status: int = 200,
) -> Response:
    """Render the page; `said` is the prompt before it was said better."""
    start = form.start_from or candidate
    return renderer.page(
        "make.html",
        current="make",
        status=status,
        sizes=SIZES if form.size in SIZES else (*SIZES, form.size),
        schedulers=get_args(Scheduler),
        styles=STYLES,
        models=[name for name, spec in space.catalogue.offered().items() if recipe_name(spec).endswith(":Diffusion")],
        start=await run_in_threadpool(resolve_input, space, start) if start else None,
        error=error,
        said=said,
        writes=_writer(space) is not None,
        **(
            await _job_values(renderer, space, form, job)
            if job
            else {"form": form, "job": None, "images": [], "query": ""}
        ),
    )


def _writer(space: Space) -> Writer | None:
    return find_writer(space, space.platform.settings)


async def _job_values(renderer: PageRenderer, space: Space, form: PictureForm, job: Job) -> dict[str, Any]:
    images = await run_in_threadpool(finished_pictures, space, form)
    return {
        "form": form,
        "job": job,
        "sentence": job_status_text(renderer, job),
        "images": images,
        "query": form.query,
        "reviewed": urlencode({"of": [image.id for image in images]}, doseq=True),
        "all": int(form.count) if form.count.isdigit() else 0,
    }


def finished_pictures(space: Space, form: PictureForm) -> Sequence[FinishedPicture]:
    """Find the stored answers to the requests of the form, in order; each is stored as soon as it is generated."""
    try:
        requests = generation_requests(local_context(space), form.order(space.project))
    except (*EXPECTED, ValidationError):
        return ()  # the error is that of the job
    return [
        FinishedPicture(id=answer.image.sha256, seed=answer.seed, name=f"{request.prompt} ({answer.seed})")
        for request, answer in zip(requests, space.answers.find_all(requests), strict=True)
        if isinstance(answer, GeneratedImage)
    ]


def job_status_text(renderer: PageRenderer, job: Job) -> str:
    """Describe the state of a job: its position in the queue, the remaining time, or its end."""
    if job.state == "queued" and job.position:
        return renderer.translate("Number {position} in the queue", position=job.position)
    if job.state == "running" and job.estimate_seconds:
        return renderer.translate("Being made, about {seconds} s to go", seconds=round(job.estimate_seconds))
    texts = {
        "queued": "Waiting to start",
        "running": "Being made",
        "waiting": "Waiting for an answer",
        "cancelling": "Being stopped",
        "completed": "Done",
        "failed": "It failed",
        "refused": "It was refused",
        "cancelled": "Stopped",
    }
    return renderer.translate(texts[job.state])
