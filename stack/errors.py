"""Errors of the embedded stack. Each message is one sentence for a person."""


class StackError(Exception):
    """Base class of the embedded stack's errors."""


class PartDidNotStart(StackError):
    """A part did not start; the message quotes the last line of its log."""
