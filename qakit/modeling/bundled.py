"""The model that comes with the package."""

from pathlib import Path

BUNDLED_MODEL = "mini-zh"
"""The name by which every command knows it."""

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def bundled_folder(name: str) -> Path | None:
    """The folder of the model that comes with the package, if that is its name and no model here has the same one."""
    here = Path(name)
    if name != BUNDLED_MODEL or (here / "config.json").exists() or (here / "best" / "config.json").exists():
        return None
    return _ASSETS / BUNDLED_MODEL
