"""The classifiers of a project: models that it trained and published under names of its own."""

import re

from modalities.errors import UnknownModel

FAMILY = "classifier"
"""The beginning of their names in the catalogue, where an entry stands for all of them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


def classifier_model(project: str, name: str) -> str:
    """The model of a project's classifier: classifier.PROJECT.NAME. Raises UnknownModel for what is no name."""
    return project_model(FAMILY, project, name)


def project_model(family: str, project: str, name: str) -> str:
    """A model that a project trains: FAMILY.PROJECT.NAME. Raises UnknownModel for what is no name."""
    if not _NAME.fullmatch(name):
        raise UnknownModel(f"{name[:80]!r} cannot name a model of a project: use a-z, 0-9 and -, at most 41.")
    return f"{family}.{project}.{name}"
