"""Extractive question answering on transformers, Chinese first."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qakit.reader import Reader

__all__ = ["Reader", "__version__"]
__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    """Load `Reader` when it is asked for: torch takes seconds, and most of qakit does without."""
    if name != "Reader":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qakit.reader import Reader

    return Reader
