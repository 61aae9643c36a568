"""The model hub: list the files of a repository at a commit, download, verify and bundle them, and pin entries."""
