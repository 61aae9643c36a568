"""Errors of the embedded stack. Each message is one sentence for a person."""


class StackError(Exception):
    """Any failure to start or stop the embedded stack."""


class PartDidNotStart(StackError):
    """A server of the embedded stack did not come up; the message quotes its log."""
