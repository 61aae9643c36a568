"""Translate the errors of the hub's client into one sentence each: what was wrong, and what to do."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from modalities.errors import ModelUnavailable

_RATE_LIMITED, _SERVER_ERRORS = 429, range(500, 600)
_NO_CREDENTIALS = (401, 403)


@contextmanager
def translated_errors(name: str, repository: str, revision: str, token: bool) -> Generator[None]:
    """Raise ModelUnavailable in the place of the client's errors. `token` says whether one was sent."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise ModelUnavailable(_refusal(error, name, repository, revision, token)) from error
    except HFValidationError as error:
        raise ModelUnavailable(
            f"The hub id {repository} of {name} is not one: it has the form organization/name."
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelUnavailable(
            f"The weights of {name} are not on this machine, and HF_HUB_OFFLINE forbids to ask the hub: bring them "
            "with `triptych models export` and `import`."
        ) from error
    except httpx2.ProxyError as error:
        raise ModelUnavailable(
            f"The proxy on the way to the hub refused the download of {name} ({error}): check HTTPS_PROXY and NO_PROXY."
        ) from error
    except httpx2.TransportError as error:
        raise ModelUnavailable(
            f"The hub cannot be reached for the weights of {name} ({type(error).__name__}): check the network, "
            "HTTPS_PROXY and HF_ENDPOINT, and run the command again, which goes on where it stopped. Without a "
            "network, bring them with `triptych models export` and `import`."
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # of the client, about a document that is none
        raise ModelUnavailable(
            f"What answers to the request for {repository}, of {name}, is no hub ({type(error).__name__}): check the "
            "network, HTTPS_PROXY and HF_ENDPOINT."
        ) from error


@contextmanager
def disk_errors(name: str, folder: Path) -> Generator[None]:
    """Raise ModelUnavailable in the place of an error of the disk. What was downloaded is kept."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        raise ModelUnavailable(
            f"The weights of {name} cannot be written to {folder} ({error.strerror}): make room or set "
            "TRIPTYCH_CACHE_DIR, and run the command again, which goes on where it stopped."
        ) from error


def retry_after(error: Exception) -> float | None:
    """Return how many seconds to wait before asking the hub again; None if asking again does not help."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    if response is None or (status != _RATE_LIMITED and status not in _SERVER_ERRORS):
        return None
    said = str(response.headers.get("Retry-After", ""))
    return min(float(said), 60.0) if said.isdigit() else 1.0


def _refusal(error: Exception, name: str, repository: str, revision: str, token: bool) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, GatedRepoError):
        access = "the account of HF_TOKEN has no access yet" if token else "no token was sent"
        return (
            f"The repository {repository} of {name} is gated, and {access}: accept its terms on its page at the hub, "
            "and set HF_TOKEN to a token of that account."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"The repository {repository} of {name} has no revision {revision}: run `triptych models pin {name}`."
    if isinstance(error, RepositoryNotFoundError) or status in _NO_CREDENTIALS:
        return _hidden(name, repository, status, token)
    if status == _RATE_LIMITED:
        return f"The hub limits how often it is asked for {name}: wait some minutes and try again, or set HF_TOKEN."
    return (
        f"The hub answered {status} to the request for {repository} at {revision}, of {name}: try again later, "
        "or check the id and the revision."
    )


def _hidden(name: str, repository: str, status: int, token: bool) -> str:
    """The hub answers 401 both for a repository that does not exist and for one that needs a token."""
    if status in _NO_CREDENTIALS and not token:
        return (
            f"The hub shows no repository {repository} of {name} without a token: check the id in models.yaml, or set "
            "HF_TOKEN if it is private or gated."
        )
    return (
        f"The hub shows no repository {repository} of {name} to the account of HF_TOKEN: check the id in models.yaml, "
        "and whether the token is valid and has access."
        if token
        else f"The hub has no repository {repository} of {name}: check the id in models.yaml."
    )
