"""The house keeps its floors: imports point down only, some rooms never load torch, modules stay clean."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "qakit"

# Lowest first. A module imports from its own room and from the floors below.
FLOORS = (
    ("errors",),
    ("io", "signals", "chunks"),
    ("config",),
    ("training", "data"),
    ("spans", "metrics"),
    ("modeling", "report"),
    ("tasks",),
    ("reader",),
    ("pipelines",),
    ("runs",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = ("torch", "transformers", "accelerate", "qakit.training")
FORBIDDEN = {
    "spans": HEAVY,
    "metrics": HEAVY,
    "data": HEAVY,
    "errors": HEAVY,
    "io": HEAVY,
    "config": HEAVY,
}


def imports_of(module: Path, package: Path) -> Iterator[str]:
    """Full names of all that a module imports anywhere in its text, `from a import b` as `a.b`."""
    inside = [package.name, *module.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = inside[: len(inside) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{base}.{name.name}" for name in node.names)


def room_of(module: Path, package: Path) -> str:
    return module.relative_to(package).with_suffix("").parts[0]


def violations(package: Path) -> list[str]:
    """One line for each import that points up or sideways, or to a package that the room must not know."""
    found = []
    for module in sorted(package.rglob("*.py")):
        room = room_of(module, package)
        for name in imports_of(module, package):
            first, *rest = name.split(".")
            target = rest[0] if first == package.name and rest else None
            is_public = room == "__init__" and target in (
                "reader",
                "pipelines",
            )  # what users import; it is loaded when asked for
            points_down = (
                target in (None, room, "__version__")
                or is_public
                or (room != "__init__" and FLOOR_OF[target] < FLOOR_OF[room])
            )
            is_forbidden = any(name == word or name.startswith(word + ".") for word in FORBIDDEN.get(room, ()))
            if not points_down or is_forbidden:
                found.append(f"{module.relative_to(package)} imports {name}")
    return found


def test_every_room_has_a_floor():
    rooms = {room_of(module, PACKAGE) for module in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms >= {"errors", "io", "config", "data", "spans", "runs", "cli"}
    assert rooms <= FLOOR_OF.keys()


def test_imports_point_down():
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("data/negatives.py", "from qakit.spans import decoding", "qakit.spans.decoding"),
        ("data/negatives.py", "from qakit.training.loop import Plan", "qakit.training.loop.Plan"),
        ("training/loop.py", "from qakit.data.records import Record", "qakit.data.records.Record"),
        ("spans/scores.py", "def f():\n    import torch.nn", "torch.nn"),
        ("spans/scores.py", "from qakit.training.optim import rate", "qakit.training.optim.rate"),
        ("metrics/presets.py", "from transformers import AutoModel", "transformers.AutoModel"),
        ("runs/predict.py", "def f():\n    from ..cli import console", "qakit.cli.console"),
        ("errors.py", "import qakit.io", "qakit.io"),
        ("io.py", "from . import config", "qakit.config"),
        ("__init__.py", "from qakit.errors import QakitError", "qakit.errors.QakitError"),
    ],
)
def test_the_check_finds_a_planted_violation(file: str, line: str, named: str, tmp_path: Path):
    package = tmp_path / "qakit"
    for room in ("data", "training", "spans", "metrics", "runs", "cli"):
        (package / room).mkdir(parents=True)
    (package / file).write_text(line + "\n", encoding="utf-8")
    assert violations(package) == [f"{file} imports {named}"]


def test_the_check_passes_what_points_down(tmp_path: Path):
    package = tmp_path / "qakit"
    (package / "spans").mkdir(parents=True)
    lines = (
        "import numpy",
        "from qakit import __version__",
        "from qakit.data.records import Record",
        "from . import a",
    )
    (package / "spans" / "scores.py").write_text("\n".join(lines), encoding="utf-8")
    assert violations(package) == []


def faults_in(text: str) -> list[str]:
    """Statements that have no place outside tests, by name."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert):
            found.append("assert")
        elif isinstance(node, ast.Name) and node.id in ("print", "NotImplementedError"):
            found.append(node.id)
    return found


@pytest.mark.parametrize("text", ["assert x", "print(1)", "raise NotImplementedError", "raise NotImplementedError()"])
def test_the_check_finds_a_planted_fault(text: str):
    assert len(faults_in(text)) == 1


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_no_assert_print_or_unwritten_method(module: Path):
    text = module.read_text(encoding="utf-8")
    assert faults_in(text) == []


def test_git_ignores_no_source_file():
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", "qakit", "tests"]
    ignored = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [path for path in ignored if path.endswith(".py")] == []
