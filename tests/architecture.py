"""The house as its imports draw it: ``python -m tests.architecture`` prints rooms, floors, imports and circles.

A room is a folder of modules, or a module that lies beside the folders. Every import counts, wherever in a module it
stands; only those for the type checker alone (``if TYPE_CHECKING:``) do not make one module need another.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
FLOORS = (
    ("embeddings", "qa.errors", "qa.text"),
    ("qa.types", "qa.settings"),
    ("qa.words",),
    ("qa.storage", "qa.loaders"),
    ("qa.ingest", "qa.query"),
    ("qa.retrieval",),
    ("qa.answering",),
    ("qa.conversation",),
    ("qa.archive",),
    ("qa.api", "qa.feedback", "qa.export"),
    ("qa",),
    ("qa.web",),
    ("qa.mcp_server",),
    ("qa.cli",),
    ("evals", "app", "qa.__main__"),
)
"""The rooms from the ground up: a room imports only rooms below it."""
INNER = {
    "embeddings": (
        ("embeddings.errors", "embeddings.types"),
        ("embeddings.runtime",),
        ("embeddings.encoding", "embeddings.index"),
        ("embeddings.reading",),
        ("embeddings",),
    )
}
"""Rooms that have floors of their own."""
FACE = "qa"
"""The package whose ``__init__`` only hands on names, as its users see it."""


@cache
def modules() -> dict[str, Path]:
    """Map the dotted name of each module of the house to its file."""
    files = [ROOT / "app.py"]
    for top in ("embeddings", "qa", "evals"):
        files += sorted((ROOT / top).rglob("*.py"))
    return {_dotted(path): path for path in files}


@cache
def imports() -> dict[str, set[str]]:
    """Map each module to the modules of the house that it imports."""
    known = modules()
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def room(module: str, floors: tuple[tuple[str, ...], ...] = FLOORS) -> str:
    """Return the room that a module lies in: the longest name that it begins with."""
    rooms = [name for names in floors for name in names]
    parts = module.split(".")
    fitting = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next(name for name in fitting if name in rooms)


def floor(name: str, floors: tuple[tuple[str, ...], ...] = FLOORS) -> int:
    """Return the floor of a room, from 0."""
    return next(number for number, names in enumerate(floors) if name in names)


def room_imports() -> dict[str, set[str]]:
    """Map each room to the other rooms that its modules import."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, names in imports().items():
        found[room(module)].update(room(name) for name in names)
    return {name: others - {name} for name, others in found.items() if name != FACE}


def upward() -> list[str]:
    """Return the imports that run up, or across between rooms of one floor."""
    found = []
    for module, names in imports().items():
        for name in names:
            floors = FLOORS
            if room(module) == room(name) in INNER:
                floors = INNER[room(module)]
            here, there = room(module, floors), room(name, floors)
            if here != there and floor(there, floors) >= floor(here, floors):
                found.append(f"{module} -> {name}")
    return sorted(found)


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of two nodes or more that reach one another (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        path.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
            if other in path:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            group = path[path.index(node) :]
            del path[path.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in order:
            visit(node)
    return found


def floors_used() -> int:
    """Return on how many floors the rooms stand when each stands as low as its imports let it; 0 in a circle."""
    graph = room_imports()
    if circles(graph):
        return 0

    @cache
    def height(name: str) -> int:
        return 1 + max((height(other) for other in graph.get(name, ())), default=0)

    return max(map(height, graph))


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known and not _handed_on(node.module or "", alias.name):
                    yield inner
                elif node.module in known:
                    yield node.module


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _statements(child)


@cache
def _handed_on(package: str, name: str) -> bool:
    """Whether a package binds a name itself, so that it is not the module of that name that is imported."""
    path = modules()[package]
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return True
    return False


def _dotted(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def main() -> None:
    """Print the house."""
    graph = room_imports()
    for name in sorted(graph, key=lambda name: (floor(name), name)):
        count = sum(room(module) == name for module in modules())
        click.echo(
            f"{floor(name):>2}  {name:<22} {count:>3} modules  imports {', '.join(sorted(graph[name])) or '-'}"
        )
    click.echo(
        f"{len(graph)} rooms, {floors_used()} floors, {sum(map(len, graph.values()))} imports between rooms, "
        f"{len(circles(imports()))} circles of modules, {len(circles(graph))} circles of rooms, "
        f"{len(upward())} upward"
    )
    for line in [*upward(), *map(str, circles(imports()))]:
        click.echo(f"    {line}")


if __name__ == "__main__":
    main()
