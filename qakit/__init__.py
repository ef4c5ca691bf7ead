"""Extractive question answering on transformers, Chinese first."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qakit.pipelines import pipeline
    from qakit.reader import Reader

__all__ = ["Reader", "__version__", "pipeline"]
__version__ = "0.2.0.dev0"

_HOMES = {"Reader": "qakit.reader", "pipeline": "qakit.pipelines"}


def __getattr__(name: str) -> Any:
    """Load `Reader` or `pipeline` when it is asked for: torch takes seconds, and most of qakit does without."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
