"""Build forms from values that people sent, with errors for people."""

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.errors import WrongInput

FormT = TypeVar("FormT")


def fill_form(kind: Callable[..., FormT], **values: Any) -> FormT:
    """Return a form with these values. Raises WrongInput that names the first invalid field."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(part for part in fault["loc"] if isinstance(part, str))  # without the number in a list
        raise WrongInput(f"{field} is not right: {fault['msg']} (given: {str(fault['input'])[:200]!r}).") from error
