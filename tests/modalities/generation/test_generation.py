"""Equal requests give equal bytes, and the picture contains its generation metadata."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from media.errors import ItemError, UnreadableMedia
from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.errors import InvalidCatalogue, InvalidRequest, ModelUnavailable
from modalities.generation.diffusion import Diffusion
from modalities.generation.long_prompts import split_prompt
from modalities.generation.picture_metadata import read_generation_metadata
from modalities.generation.previews import find_previews, preview_steps, remove_previews
from modalities.generation.requests import GeneratedImage, GenerateImage, defaults_for
from modalities.generation.sizes import nearest_size
from modalities.models.weights import WeightsLocator
from storage.artifacts import Artifact, ArtifactStore
from tests.modalities.generation.tiny_diffusion import (
    build_flux,
    build_sd3,
    build_sdxl,
    build_stable_diffusion,
    change_weights,
)
from tests.paths import ROOT

Draw = Callable[..., Any]
SCHEDULERS = ("default", "ddim", "euler", "euler-ancestral", "dpm++")


def spec_of(folder: str, **entry: Any) -> ModelSpec:
    options = {"width": 32, "height": 32, "steps": 4, "guidance": 5.0}
    return ModelSpec(
        **{
            "name": "tiny",
            "operator": "diffusion",
            "source": Source(folder=folder),
            "licence": "Apache-2.0",
            "dtype": "float32",
            "device": "cpu",
            "options": options,
            **entry,
        }
    )


def load(folder: Path, **entry: Any) -> Diffusion:
    spec = spec_of(folder.name, **entry)
    return Diffusion.load(spec, WeightsLocator(folder.parent, folder.parent / "cache", None).locate(spec))


def ask(**settings: Any) -> GenerateImage:
    return GenerateImage(
        **{
            "model": "tiny",
            "prompt": "a red apple",
            "seed": 7,
            "steps": 4,
            "guidance": 5.0,
            "width": 32,
            "height": 32,
            **settings,
        }
    )


def pixels(store: ArtifactStore, made: GeneratedImage) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(store.get(made.image)))).astype(int)


def png(width: int, height: int, colours: tuple[tuple[int, int, int], ...]) -> bytes:
    """Stripes from left to right."""
    image = Image.new("RGB", (len(colours), 1))
    image.putdata(colours)
    file = io.BytesIO()
    image.resize((width, height), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def scheduler_kinds() -> dict[str, Any]:
    """diffusers' class for each scheduler of a request to the tiny model."""
    import diffusers

    return {
        "default": diffusers.DDIMScheduler,
        "ddim": diffusers.DDIMScheduler,
        "euler": diffusers.EulerDiscreteScheduler,
        "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler,
        "dpm++": diffusers.DPMSolverMultistepScheduler,
    }


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: for models this small, synchronising threads costs more than it gains."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Diffusion:
    return load(tiny_folder)


@pytest.fixture
def draw(tiny: Diffusion, modality_store: ArtifactStore) -> Draw:
    """The answer to one request."""
    return lambda **settings: tiny([ask(**settings)], modality_store, no_progress)[0]


@pytest.fixture
def start(modality_store: ArtifactStore) -> Artifact:
    return modality_store.put(png(32, 32, ((200, 30, 30), (30, 30, 200))), "image/png")


def test_the_same_request_gives_the_same_bytes_even_after_loading_again(
    draw: Draw, tiny_folder: Path, modality_store: ArtifactStore
) -> None:
    first = draw()
    assert (first.seed, first.width, first.height, first.image.media_type) == (7, 32, 32, "image/png")
    assert draw() == first
    assert load(tiny_folder)([ask()], modality_store, no_progress) == [first]


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a blue boat"}, {"guidance": 2.0}, {"steps": 5}])
def test_another_seed_or_setting_gives_another_picture(
    draw: Draw, modality_store: ArtifactStore, change: dict[str, Any]
) -> None:
    assert (pixels(modality_store, draw()) != pixels(modality_store, draw(**change))).any()


def test_a_picture_does_not_depend_on_the_other_requests_of_its_batch(
    tiny: Diffusion, modality_store: ArtifactStore
) -> None:
    requests = [ask(seed=seed, prompt=prompt) for seed in (1, 2, 3) for prompt in ("a red apple", "a green tree")]
    requests.insert(2, ask(steps=3))
    together = tiny(requests, modality_store, no_progress)
    assert together == [tiny([request], modality_store, no_progress)[0] for request in requests]
    assert len({made.image.sha256 for made in together if isinstance(made, GeneratedImage)}) == len(requests)


def test_concurrent_calls_get_their_own_pictures(tiny: Diffusion, modality_store: ArtifactStore) -> None:
    requests = [ask(seed=seed, scheduler=SCHEDULERS[seed % 5], steps=1 + seed % 3) for seed in range(24)]
    one_by_one = [tiny([request], modality_store, no_progress)[0] for request in requests]
    with ThreadPoolExecutor(3) as threads:
        at_once = list(threads.map(lambda request: tiny([request], modality_store, no_progress)[0], requests))
    assert at_once == one_by_one


def test_pictures_sampled_in_one_batch_as_on_a_gpu_differ_in_their_last_bits_at_most(
    tiny: Diffusion, tiny_folder: Path, modality_store: ArtifactStore, start: Artifact
) -> None:
    requests = [ask(seed=seed, scheduler="euler-ancestral") for seed in (1, 2, 3)]
    requests += [ask(seed=seed, init_image=start, strength=0.5, negative_prompt="blue") for seed in (1, 2)]
    batching = load(tiny_folder)
    batching.batch_size = 3
    for alone, together in zip(
        tiny(requests, modality_store, no_progress), batching(requests, modality_store, no_progress), strict=True
    ):
        assert isinstance(alone, GeneratedImage)
        assert isinstance(together, GeneratedImage)
        assert abs(pixels(modality_store, alone) - pixels(modality_store, together)).max() <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_picture_equals_that_of_plain_diffusers_with_the_same_seed_and_settings(
    draw: Draw, tiny_folder: Path, modality_store: ArtifactStore, scheduler: str
) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder, dtype=torch.float32)
    pipeline.scheduler = scheduler_kinds()[scheduler].from_config(pipeline.scheduler.config)
    expected = pipeline(
        "a red apple",
        negative_prompt="blue",
        num_inference_steps=6,
        guidance_scale=3.0,
        width=48,
        height=32,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    made = draw(scheduler=scheduler, negative_prompt="blue", steps=6, guidance=3.0, width=48)
    assert (pixels(modality_store, made) == np.asarray(expected)).all()
    assert pixels(modality_store, made).std() > 10


def test_without_guidance_each_step_calls_the_model_once(tiny_folder: Path, modality_store: ArtifactStore) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder, dtype=torch.float32)
    noise = torch.randn((1, 4, 4, 4), generator=torch.Generator().manual_seed(7))
    tokens = pipeline.tokenizer("a red apple", padding="max_length", return_tensors="pt").input_ids
    pipeline.scheduler.set_timesteps(4)
    with torch.no_grad():
        words = pipeline.text_encoder(tokens).last_hidden_state
        for step in pipeline.scheduler.timesteps:
            noise = pipeline.scheduler.step(pipeline.unet(noise, step, words).sample, step, noise).prev_sample
        decoded = pipeline.vae.decode(noise / pipeline.vae.config.scaling_factor).sample
    expected = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).numpy()
    made = load(tiny_folder)([ask(guidance=1.0)], modality_store, no_progress)[0]
    assert isinstance(made, GeneratedImage)
    assert abs(pixels(modality_store, made) - expected).max() <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_changed_picture_equals_that_of_plain_diffusers_from_the_same_start_picture(
    draw: Draw, tiny_folder: Path, modality_store: ArtifactStore, start: Artifact, scheduler: str
) -> None:
    import torch
    from diffusers import StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(tiny_folder, dtype=torch.float32)
    pipeline.scheduler = scheduler_kinds()[scheduler].from_config(pipeline.scheduler.config)
    for strength in (0.3, 1.0):
        expected = pipeline(
            "a red apple",
            image=Image.open(io.BytesIO(modality_store.get(start))),
            strength=strength,
            num_inference_steps=6,
            guidance_scale=5.0,
            generator=torch.Generator().manual_seed(7),
        ).images[0]
        made = draw(scheduler=scheduler, init_image=start, strength=strength, steps=6)
        assert (pixels(modality_store, made) == np.asarray(expected)).all()


def test_a_start_picture_of_another_shape_is_cropped_to_the_middle(draw: Draw, modality_store: ArtifactStore) -> None:
    sides, middle = (0, 255, 0), ((200, 30, 30), (30, 30, 200))
    wide = modality_store.put(png(128, 32, (sides, sides, sides, *middle, sides, sides, sides)), "image/png")
    exact = modality_store.put(png(32, 32, middle), "image/png")
    made = [pixels(modality_store, draw(init_image=start, strength=0.5)) for start in (wide, exact)]
    assert (made[0] == made[1]).all()


def test_progress_counts_the_steps(tiny: Diffusion, modality_store: ArtifactStore, start: Artifact) -> None:
    seen: list[float] = []
    tiny([ask(steps=4), ask(steps=4, init_image=start, strength=0.5)], modality_store, seen.append)
    assert seen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5 + 1 / 6, 0.5 + 2 / 6, 1.0])


def test_previews_are_files_beside_the_artifacts_and_change_nothing_of_the_answer(
    tiny: Diffusion, modality_store: ArtifactStore
) -> None:
    plain, shown = ask(seed=41), ask(seed=41, previews=2)
    assert shown.recipe_document() == plain.recipe_document()
    answer: Any = tiny([shown], modality_store, no_progress)[0]
    bucket, project = modality_store.bucket, modality_store.project
    found = dict(find_previews(bucket, project, plain, set()))
    assert list(found) == [0, 1]
    sizes = {Image.open(io.BytesIO(data)).size for data in found.values()}
    assert sizes == {(32, 32)}
    assert len({*found.values()}) == 2
    assert [number for number, _ in find_previews(bucket, project, plain, {0})] == [1]
    assert answer == tiny([plain], modality_store, no_progress)[0]
    remove_previews(bucket, project, plain)
    assert not list(bucket.objects("tmp/previews/"))


@pytest.mark.parametrize(
    ("steps", "previews", "after"), [(25, 3, [6, 12, 19]), (4, 1, [2]), (1, 3, []), (2, 3, [1]), (25, 0, [])]
)
def test_previews_are_at_equal_distances(steps: int, previews: int, after: list[int]) -> None:
    assert preview_steps(steps, previews) == after


def test_an_exception_from_progress_aborts_the_run_and_leaves_the_model_usable(
    tiny: Diffusion, modality_store: ArtifactStore
) -> None:
    before = tiny([ask()], modality_store, no_progress)
    told: list[float] = []

    def cancel_at_the_second_step(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tiny([ask(steps=50, scheduler="euler")], modality_store, cancel_at_the_second_step)
    assert len(told) == 2
    assert tiny([ask()], modality_store, no_progress) == before


def test_the_generation_metadata_in_a_picture_reproduces_it(
    draw: Draw, tiny: Diffusion, tmp_path: Path, modality_store: ArtifactStore, start: Artifact
) -> None:
    made = draw(prompt="ein Häuschen, 家", negative_prompt='a "red" car', init_image=start, strength=0.5)
    data = modality_store.get(made.image)
    (tmp_path / "picture.png").write_bytes(data)
    recipe = read_generation_metadata(tmp_path / "picture.png")
    assert recipe is not None
    assert recipe == read_generation_metadata(data)
    assert (recipe["operator"], recipe["version"]) == ("modalities.generation:Diffusion", Diffusion.version)
    assert len(recipe["weights"]) == 64
    request = GenerateImage.model_validate(recipe["request"])
    assert request == ask(prompt="ein Häuschen, 家", negative_prompt='a "red" car', init_image=start, strength=0.5)
    assert tiny([request], modality_store, no_progress) == [made]


def test_picture_tools_read_the_parameters(draw: Draw, modality_store: ArtifactStore, start: Artifact) -> None:
    made = draw(negative_prompt="blue", init_image=start, strength=0.5, scheduler="euler-ancestral", guidance=2.5)
    with Image.open(io.BytesIO(modality_store.get(made.image))) as image:
        prompt, avoided, settings = image.info["parameters"].split("\n")
    assert (prompt, avoided) == ("a red apple", "Negative prompt: blue")
    pairs = dict(pair.split(": ") for pair in settings.split(", "))
    assert len(pairs.pop("Model hash")) == 10
    assert pairs == {
        "Steps": "4",
        "Sampler": "Euler a",
        "CFG scale": "2.5",
        "Seed": "7",
        "Size": "32x32",
        "Model": "tiny",
        "Denoising strength": "0.5",
    }


@pytest.mark.parametrize("data", [b"", b"no picture", png(8, 8, ((1, 2, 3),)), png(8, 8, ((1, 2, 3),))[:40]])
def test_other_files_have_no_generation_metadata(data: bytes) -> None:
    assert read_generation_metadata(data) is None


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"width": 36}, "multiple of 8"),
        ({"height": 8}, "greater than or equal to 16"),
        ({"width": 4096, "height": 2048}, "more than 4194304 pixels"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"steps": 151}, "less than or equal to 150"),
        ({"guidance": -1.0}, "greater than or equal to 0"),
        ({"seed": 2**64}, "less than 18446744073709551616"),
        ({"prompt": ""}, "at least 1 character"),
        ({"scheduler": "plms"}, "Input should be 'default'"),
        ({"strength": 0.5}, "give init_image"),
    ],
)
def test_an_invalid_request_is_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        ask(**settings)


def test_a_prompt_longer_than_the_text_encoder_reads_is_read_in_windows(
    draw: Draw, modality_store: ArtifactStore, start: Artifact
) -> None:
    short, long = "apple " * 22, "apple " * 22 + "a blue boat"
    made = {prompt: draw(prompt=prompt) for prompt in (short, long, long + " at night", "word" * 60)}
    assert len({picture.image.sha256 for picture in made.values()}) == 4
    assert draw(prompt=long) == made[long]
    assert isinstance(draw(negative_prompt=long), GeneratedImage)
    assert isinstance(draw(prompt=long, guidance=1.0, init_image=start, strength=0.5), GeneratedImage)
    answer = draw(prompt="a " * 1500)
    assert isinstance(answer, InvalidRequest)
    assert "reads 24 tokens and the prompt has 1502" in str(answer)


def test_windows_are_cut_between_words(tiny_folder: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tiny_folder / "tokenizer")
    prompt = " ".join(f"{word} of a red apple," for word in ("half", "most", "much", "none") * 5)
    windows = split_prompt(tokenizer, prompt, 24)
    assert " ".join(windows) == prompt
    assert all(len(tokenizer(window).input_ids) <= 24 for window in windows)
    assert "".join(split_prompt(tokenizer, "x" * 100, 24)) == "x" * 100


def hole(width: int, height: int, mode: str = "RGBA") -> bytes:
    """A picture that is transparent in its left half."""
    image = Image.new(mode, (width, height), (200, 30, 30, 255)[: len(mode)])
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_mask_says_which_part_of_a_picture_changes(
    draw: Draw, modality_store: ArtifactStore, start: Artifact
) -> None:
    original = np.asarray(Image.open(io.BytesIO(modality_store.get(start)))).astype(int)
    mask = modality_store.put(hole(64, 64), "image/png")
    for scheduler in ("default", "euler"):
        made = pixels(modality_store, draw(init_image=start, mask=mask, strength=1.0, scheduler=scheduler))
        assert (made[:, 17:] == original[:, 17:]).all()
        assert abs(made[:, :15] - original[:, :15]).mean() > 10
    own = modality_store.put(hole(32, 32), "image/png")
    assert (pixels(modality_store, draw(init_image=own, mask=own, strength=1.0))[:, 17:] == (200, 30, 30)).all()


@pytest.mark.parametrize(
    ("mask", "what"),
    [(hole(32, 32, "RGB"), "no transparent part"), (hole(64, 32), "64 × 32 pixels and the picture 32 × 32")],
)
def test_a_mask_that_says_nothing_is_refused(
    draw: Draw, modality_store: ArtifactStore, start: Artifact, mask: bytes, what: str
) -> None:
    answer = draw(init_image=start, mask=modality_store.put(mask, "image/png"))
    assert isinstance(answer, InvalidRequest)
    assert what in str(answer)
    with pytest.raises(ValidationError, match="give init_image"):
        ask(mask=start)


def test_added_fields_are_in_recipes_only_if_they_are_used(start: Artifact) -> None:
    assert "mask" not in ask(init_image=start).recipe_document()
    assert ask(init_image=start, mask=start).recipe_document()["mask"]["sha256"] == start.sha256


@pytest.mark.parametrize(
    ("asked", "native", "nearest"),
    [
        ((1792, 1024), (64, 64), (88, 48)),
        ((1024, 1024), (64, 64), (64, 64)),
        ((128, 128), (64, 64), (128, 128)),
        ((640, 384), (512, 512), (640, 384)),
        ((1024, 1024), (512, 512), (1024, 1024)),
        ((1365, 768), (1024, 1024), (1368, 768)),
        ((256, 256), (1024, 1024), (1024, 1024)),
        ((4096, 16), (64, 64), (1024, 16)),
    ],
)
def test_the_nearest_size_has_the_shape_and_a_suitable_area(
    asked: tuple[int, int], native: tuple[int, int], nearest: tuple[int, int]
) -> None:
    assert nearest_size(*asked, native) == nearest


def test_a_request_that_the_model_does_not_support_fails_alone(
    tiny: Diffusion, modality_store: ArtifactStore, start: Artifact
) -> None:
    broken = modality_store.put(modality_store.get(start)[:60], "image/png")
    good, *failed, again = tiny(
        [
            ask(),
            ask(negative_prompt="blue", guidance=1.0),
            ask(init_image=start, strength=0.2),
            ask(init_image=broken, strength=0.5),
            ask(),
        ],
        modality_store,
        no_progress,
    )
    assert isinstance(good, GeneratedImage)
    assert good == again
    assert [type(error) for error in failed] == [InvalidRequest, InvalidRequest, UnreadableMedia]
    assert "cannot avoid anything at guidance 1" in str(failed[0])
    assert "Strength 0.2 of 4 steps is no step" in str(failed[1])


@pytest.mark.parametrize("value", [float("nan"), -1000.0])
def test_overflow_and_black_pictures_are_errors(
    tiny_folder: Path, tmp_path: Path, modality_store: ArtifactStore, value: float
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    change_weights(folder, "vae", "decoder.conv_out.bias", value)
    (answer,) = load(folder)([ask()], modality_store, no_progress)
    assert isinstance(answer, ItemError)
    assert "gave no picture for seed 7" in str(answer)


def test_pickled_weights_are_not_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for part, name in (("text_encoder", "pytorch_model.bin"), ("unet", "diffusion_pytorch_model.bin")):
        folder = shutil.copytree(tiny_folder, tmp_path / part)
        (path,) = (folder / part).glob("*.safetensors")
        torch.save(load_file(path), folder / part / name)
        path.unlink()
        with pytest.raises(ModelUnavailable, match="from safetensors"):
            load(folder)


def test_code_in_a_models_folder_does_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "coded")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["own_unet", "OwnUNet"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "own_unet.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass OwnUNet: pass\n")
    with pytest.raises(ModelUnavailable):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_diffusion_model_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match="tiny is not one that diffusers can load"):
        Diffusion.load(spec_of("empty"), Weights((tmp_path / "empty",), "0" * 64, tmp_path))


def test_sdxl_works_without_special_cases(tmp_path: Path, modality_store: ArtifactStore, start: Artifact) -> None:
    model = load(build_sdxl(tmp_path / "sdxl"))
    requests = [ask(), ask(scheduler="dpm++"), ask(init_image=start, strength=0.5), ask(negative_prompt="blue"), ask()]
    answers = model(requests, modality_store, no_progress)
    assert all(isinstance(answer, GeneratedImage) for answer in answers)
    assert len({answer.image.sha256 for answer in answers if isinstance(answer, GeneratedImage)}) == 4
    assert answers[0] == answers[-1]


@pytest.mark.parametrize("build", [build_sd3, build_flux])
def test_sd3_and_flux_work_without_special_cases_and_name_what_they_do_not_support(
    build: Callable[[Path], Path], tmp_path: Path, modality_store: ArtifactStore, start: Artifact
) -> None:
    model = load(build(tmp_path / "model"))
    between = "a red apple " * 5  # more than the tokenizer of CLIP takes, and less than that of T5
    requests = [
        ask(),
        ask(prompt=between),
        ask(init_image=start, strength=0.5),
        ask(width=40),
        ask(scheduler="ddim"),
        ask(prompt=between * 2),
    ]
    if build is build_flux:  # has guidance without a second, unguided picture
        (unavoidable,) = model([ask(negative_prompt="blue")], modality_store, no_progress)
        assert "cannot avoid anything" in str(unavoidable)
    *made, size, scheduler, too_long = model(requests, modality_store, no_progress)
    assert len({picture.image.sha256 for picture in made if isinstance(picture, GeneratedImage)}) == 3
    assert "multiples of 16 pixels, and 40 × 32 is not: ask for 32 × 32" in str(size)
    assert "does not work with the scheduler ddim" in str(scheduler)
    assert "reads 64 tokens" in str(too_long)


def test_the_catalogue_gives_the_defaults_of_a_model() -> None:
    defaults = defaults_for(spec_of("tiny"))
    assert (defaults.width, defaults.height, defaults.steps, defaults.guidance) == (32, 32, 4, 5.0)
    assert defaults_for(spec_of("tiny", options={})).width == 512
    with pytest.raises(InvalidCatalogue, match="tiny is not one for pictures, or its options are wrong: beam_size"):
        defaults_for(spec_of("tiny", options={"beam_size": 5}))
    with pytest.raises(InvalidCatalogue, match="int8"):
        Diffusion.load(spec_of("tiny", dtype="int8"), Weights((ROOT,), "0" * 64, ROOT))


def test_importing_generation_loads_no_model_library() -> None:
    code = "import sys, modalities.generation.diffusion; print({'torch', 'diffusers', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "set()\n"


@pytest.mark.skipif(
    not (ROOT / "models" / "icons" / "model_index.json").exists(),
    reason="needs models/icons, the trained icon model (training/icons/recipe.py makes it)",
)
def test_the_icon_model_generates_icons(weights_locator: WeightsLocator, modality_store: ArtifactStore) -> None:
    spec = spec_of("models/icons", name="icons")
    icons = Diffusion.load(spec, weights_locator.locate(spec))
    requests = [
        ask(model="icons", prompt=prompt, width=64, height=64, steps=25)
        for prompt in ("red apple", "red apple", "ball")
    ]
    apple, again, ball = icons(requests, modality_store, no_progress)
    assert isinstance(apple, GeneratedImage)
    assert isinstance(ball, GeneratedImage)
    assert apple == again
    assert pixels(modality_store, apple).std() > 10
    assert abs(pixels(modality_store, apple) - pixels(modality_store, ball)).mean() > 1
