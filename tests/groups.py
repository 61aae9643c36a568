"""Which tests share a process of pytest-xdist: those that share loaded models, workers or a browser."""

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

_LONGEST_FIRST = ("workers", "gateway", "flows", "modalities", "training")
"""Started first, so that no long group is left over at the end."""


def is_xdist_worker(config: pytest.Config) -> bool:
    """Whether this is one of the processes that pytest-xdist started."""
    return hasattr(config, "workerinput")


class FolderScheduling(LoadScopeScheduling):
    """Give the tests of a folder to one process, all of them."""

    def _split_scope(self, nodeid: str) -> str:
        return "/".join(PurePath(nodeid.partition("::")[0]).parts[1:-1][:2])


def order_of(path: PurePath) -> int:
    """A sort key; the order within a folder stays."""
    top = path.parts[1]
    return _LONGEST_FIRST.index(top) if top in _LONGEST_FIRST else len(_LONGEST_FIRST)
