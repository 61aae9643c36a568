"""What warm workers import and load before their first run, and the report of their loaded models."""

from importlib import import_module

from flows.running.platform import open_platform

PRELOAD = (
    "flows.answer_requests",
    "flows.care.collect_garbage",
    "flows.care.find_duplicates",
    "flows.generate_images",
    "flows.ingest",
    "flows.ingest_urls",
    "flows.learning.auto_label",
    "flows.learning.create_dataset",
    "flows.process_inbox",
    "flows.care.renew_index",
    "flows.care.retain",
    "flows.review_images",
    "flows.search",
    "flows.speak_text",
    "flows.subtitle_media",
    "flows.transcribe_audio",
    "flows.translate_document",
    "flows.translate_text",
    "flows.writing.write_text",
    "flows.care.verify",
)
"""The modules of all deployments in the warm pools; a test compares this with configs/prefect.yaml."""


def import_flows() -> None:
    """Import the modules of all deployments in the warm pools."""
    for name in PRELOAD:
        import_module(name)


def import_model_libraries() -> None:
    """Import the slow libraries, so that the first run of a process only loads its weights."""
    for name in ("torch", "transformers", "diffusers", "ctranslate2"):
        import_module(name)


def load_models() -> None:
    """Load every model of the profile. The machine needs memory for all of them."""
    platform = open_platform()
    for model in platform.catalogue.profile.models():
        with platform.pool.operator(model):
            pass


def loaded_models() -> dict[str, int]:
    """Return the models loaded in this process, with their bytes of main and GPU memory together."""
    if not open_platform.cache_info().currsize:
        return {}
    return {model.name: model.memory_bytes + model.cuda_bytes for model in open_platform().pool.loaded()}
