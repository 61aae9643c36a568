"""Which tests share a process of pytest-xdist: those that share loaded models, workers or a browser.

The tests marked `serial` are a group of their own, of which one process takes care as soon as no other test uses the
shared stack; the processes beside it go on with tests that have servers of their own, or only the shared storage. After
the last test on the shared stack it is stopped, since even an idle one takes a fifth of a core.
"""

import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePath
from threading import Thread

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests import shared_servers

_SERIAL = "serial"
_STACK = "shared-stack"
_FIRST = ("workers", _STACK, _SERIAL)
"""Started first: the longest group, and those that have to come before the serial tests."""
_LONGEST_FIRST = ("training", "modalities", "flows", "faults", "gateway", "docker", "stack", "media")
"""So that no long group is left over at the end."""


def is_xdist_worker(config: pytest.Config) -> bool:
    """Whether this is one of the processes that pytest-xdist started."""
    return hasattr(config, "workerinput")


def order_of(item: pytest.Item) -> int:
    """A sort key; the order within a folder stays."""
    top = PurePath(item.nodeid).parts[1]
    order = [*_FIRST, *_LONGEST_FIRST]
    name = _server_group(item) or top
    return order.index(name) if name in order else len(order)


def note_groups(items: list[pytest.Item]) -> None:
    """Write down which tests are serial or on the shared stack: of a test, the scheduler learns only the id."""
    groups = {item.nodeid: group for item in items if (group := _server_group(item))}
    written = _note().with_suffix(f".{os.getpid()}")  # every process writes the same
    written.write_text(json.dumps(groups), encoding="utf-8")
    written.replace(_note())


def _note() -> Path:
    return shared_servers.folder() / "groups.json"


def _server_group(item: pytest.Item) -> str | None:
    if item.get_closest_marker(_SERIAL):
        return _SERIAL
    return _STACK if "stack_home" in getattr(item, "fixturenames", ()) else None


class FolderScheduling(LoadScopeScheduling):
    """Give the tests of a folder to one process, all of them; the serial tests to one while none is on the stack."""

    _stack_is_needed = True

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        for other in self.nodes:
            if other is not node:  # it may have waited for the end of this test
                self._reschedule(other)
        if self._stack_is_needed and not any(map(_is_on_stack, self._scopes_to_come(self.nodes))):
            self._stack_is_needed = False
            Thread(target=shared_servers.stop_stack).start()

    @cached_property
    def _groups(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(_note().read_text(encoding="utf-8"))
        return found

    def _split_scope(self, nodeid: str) -> str:
        group = self._groups.get(nodeid)
        folder = "/".join(PurePath(nodeid.partition("::")[0]).parts[1:-1][:2])
        return _SERIAL if group == _SERIAL else f"{folder}@{_STACK}" if group == _STACK else folder

    def _assign_work_unit(self, node: WorkerController) -> None:
        scope = next((one for one in self.workqueue if one != _SERIAL or self._stack_is_free_for(node)), None)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)
        elif any(not other.shutting_down for other in self.nodes if other is not node):
            # A process keeps its last test until it knows what follows. Nothing does: another takes the serial ones.
            node.shutdown()

    def _stack_is_free_for(self, node: WorkerController) -> bool:
        """Whether no other process has tests on the stack, and none is waiting for a process."""
        others = [other for other in self.nodes if other is not node]
        return not any(scope != _SERIAL and _is_on_stack(scope) for scope in self._scopes_to_come(others))

    def _scopes_to_come(self, nodes: Iterable[WorkerController]) -> Iterator[str]:
        """The groups that wait for a process, and those that these processes have not finished."""
        yield from self.workqueue
        for work in (self.assigned_work[node] for node in nodes):
            yield from (scope for scope, tests in work.items() if not all(tests.values()))


def _is_on_stack(scope: str) -> bool:
    return scope == _SERIAL or scope.endswith(f"@{_STACK}")
