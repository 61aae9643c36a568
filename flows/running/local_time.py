"""Points in time as people write them: a day, or a time without a zone, is one of the local zone."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def _first_moment(value: Any) -> Any:
    """The beginning of a day; anything else as it is."""
    day = _day(value)
    return _local(datetime.combine(day, time())) if day else _local(value)


def _moment_after(value: Any) -> Any:
    """The end of a day; anything else as it is."""
    day = _day(value)
    return _local(datetime.combine(day + timedelta(days=1), time())) if day else _local(value)


def _day(value: Any) -> date | None:
    if isinstance(value, str) and len(value) == len("2024-01-01"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _local(value: Any) -> Any:
    """A time without a zone in the local one. What cannot be read is left to pydantic to refuse."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    return value.astimezone() if isinstance(value, datetime) and value.tzinfo is None else value


Since = Annotated[AwareDatetime, BeforeValidator(_first_moment)]
"""The first moment of a range: that of a day, if a day is given."""
Until = Annotated[AwareDatetime, BeforeValidator(_moment_after)]
"""The moment after a range: the end of a day, if a day is given."""
