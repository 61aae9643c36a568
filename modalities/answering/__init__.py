"""Questions and the sentences that answer them: what a question asks for, and how well a sentence answers it."""
