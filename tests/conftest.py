"""Fixtures that all tests share."""

import importlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: no test may reach the network
# typer decides on colours when this module is imported: now, without any, whatever the machine or a later test sets.
for _name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
    os.environ.pop(_name, None)
importlib.import_module("typer.rich_utils")
settings.register_profile("qakit", derandomize=True, deadline=None)
settings.load_profile("qakit")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the public datasets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("QAKIT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public datasets at {folder}; set QAKIT_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the project's own sample data."""
    return REPOSITORY / "data"
