"""Which tests may run side by side: those that stop and count what others use wait for the end of the others."""

import os
import subprocess
import sys

from tests.paths import ROOT

_FILES = ("tests/gateway/http/test_load.py", "tests/flows/test_warm_stack.py", "tests/storage/test_labels.py")


def test_the_serial_tests_begin_when_no_other_test_is_on_the_shared_stack() -> None:
    command = [sys.executable, "-m", "pytest", *_FILES, "--setup-plan", "-v", "-m", "not soak", "-n", "2"]
    given = {name: value for name, value in os.environ.items() if not name.startswith(("TRIPTYCH_TESTS", "PYTEST_"))}
    options = ["--dist", "loadscope", "--no-loadscope-reorder"]
    done = subprocess.run([*command, *options], cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    begun = [line.rpartition("::")[2].strip() for line in done.stdout.splitlines() if line.startswith("tests/")]
    serial = [
        begun.index("test_concurrent_requests_are_answered_or_get_429"),
        begun.index("test_a_paused_pool_resumes_with_about_one_run_of_the_inbox"),
    ]
    assert begun.index("test_each_worker_has_an_artifact_in_the_prefect_ui") < min(serial), done.stdout
