"""A fork server for trainings that are killed: its processes have the libraries imported."""

import multiprocessing
from multiprocessing.context import ForkServerContext

import pytest


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    modules = ["tests.training.test_icons", "tests.training.test_translation"]
    context.set_forkserver_preload([*modules, "diffusers", "torch", "transformers"])
    return context
