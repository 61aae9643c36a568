"""Answers to questions from what is in the library, with citations. A question leaves nothing behind."""
