"""Ask a hub what a repository holds, and read its files, through huggingface_hub (HF_ENDPOINT, HF_TOKEN)."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

from modalities.contract import Source
from modalities.models.hub.failures import retry_after, translated_errors
from modalities.models.hub.files import HubFile

DEFAULT_REVISION = "main"
_ATTEMPTS = 5
_Found = TypeVar("_Found")


class Hub:
    """A hub. Without an endpoint it is that of HF_ENDPOINT, else huggingface.co."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint

    def commit(self, name: str, source: Source, revision: str) -> tuple[str, str | None]:
        """Return the commit that a branch, tag or commit stands for, and the licence in the repository's card.

        Raises ModelUnavailable.
        """
        with self._asking(name, source, revision):
            found = _patiently(lambda: self._api().model_info(repository(source), revision=revision))
        return str(found.sha), getattr(found.card_data, "license", None)

    def files(self, name: str, source: Source, commit: str) -> list[HubFile]:
        """List the files of a repository at a commit. Raises ModelUnavailable."""
        self.commit(
            name, source, commit
        )  # the client asks for the list again and again for 25 s if there is no network
        with self._asking(name, source, commit):
            entries = _patiently(
                lambda: list(self._api().list_repo_tree(repository(source), recursive=True, revision=commit))
            )
        return [
            HubFile(path=e.path, size=e.size, blob_id=e.blob_id, sha256=e.lfs.sha256 if e.lfs else None)
            for e in entries
            if hasattr(e, "blob_id")
        ]

    def read(self, name: str, source: Source, commit: str, file: HubFile, into: BinaryIO, start: int) -> None:
        """Append the bytes of a file from `start` on. A cut connection is resumed some times. Raises ModelUnavailable.

        If the server does not know ranges, `into` is emptied and gets the whole file.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(repository(source), file.path, revision=commit, endpoint=self._endpoint)
        with self._asking(name, source, commit):
            http_get(
                url,
                into,
                resume_size=start,
                headers=build_hf_headers() | {"Accept-Encoding": "identity"},
                expected_size=file.size,
                tqdm_class=_NoBar,  # pyright: ignore[reportArgumentType]
            )

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._endpoint)

    @contextmanager
    def _asking(self, name: str, source: Source, revision: str) -> Generator[None]:
        from huggingface_hub import get_token

        with translated_errors(name, repository(source), revision, token=get_token() is not None):
            yield


def repository(source: Source) -> str:
    """Return the hub id, without the prefix that open_clip writes before one."""
    return (source.hub or "").removeprefix("hf-hub:")


def _patiently(ask: Callable[[], _Found]) -> _Found:
    """Ask again as often as the hub says, if it is busy or has a fault."""
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return ask()
        except HfHubHTTPError as error:
            seconds = retry_after(error)
            if seconds is None or attempt == _ATTEMPTS:
                raise
            time.sleep(seconds)
    raise AssertionError


class _NoBar:
    """A progress bar that shows nothing: the command line has its own."""

    def __init__(self, **_settings: Any) -> None:
        pass

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def update(self, _amount: float) -> None:
        pass
