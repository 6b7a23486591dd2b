"""Checks the names of packages that a recording watches or leaves alone; imports none of them."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec


def check(boundary: Sequence[str], no_boundary: Sequence[str]) -> None:
    """Make sure that every package can be imported, and that no wish contradicts another.

    Call it when ``sys.path`` is what the program sees.

    Args:
        boundary: Packages or modules to watch inside.
        no_boundary: Packages or modules to leave alone.

    Raises:
        LookupError: There is no such package, or what is to be watched is left alone as well; the
            message is one sentence.
    """
    for name in (*boundary, *no_boundary):
        _check_one(name)
    for name in boundary:
        for other in no_boundary:
            if f"{name}.".startswith(f"{other}."):
                inner = "" if name == other else f", which is inside {other!r},"
                raise LookupError(f"{name!r}{inner} cannot be watched and left alone at once")


def _check_one(name: str) -> None:
    parent, _, last = name.rpartition(".")
    if name in sys.modules or (all(name.split(".")) and _find(name) is not None):
        return
    if parent:
        _check_one(parent)
        siblings = [f"{parent}.{each}" for each in _modules_in(parent)]
        near = _nearest(name, siblings) if last else []
        ending = f"; did you mean {near[0]!r}?" if near else ""
        raise LookupError(f"there is no module {name!r} in {parent!r}{ending}")
    near = _import_names(name) or _nearest(name, _top_level())
    ending = f"; did you mean {near[0]!r}?" if near else ""
    raise LookupError(f"there is no package {name!r}{ending}")


def _nearest(name: str, present: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, present, n=1, cutoff=0.7)


def _find(name: str) -> ModuleSpec | None:
    """What would be imported under that name; no parent package is."""
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        path = _locations(parent)
        if path is None:
            return None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = None if find is None else find(name, path)
        if spec is not None:
            return spec
    return None


def _locations(package: str) -> list[str] | None:
    """The folders in which a package's modules lie; None for what is no package."""
    loaded = sys.modules.get(package)
    if loaded is not None:
        path = getattr(loaded, "__path__", None)
        return None if path is None else list(path)
    spec = _find(package)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return list(spec.submodule_search_locations)


def _modules_in(package: str) -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(_locations(package) or []))


def _top_level() -> list[str]:
    """What can be imported, and is nobody's inner affair."""
    found = {module.name for module in pkgutil.iter_modules()} | set(sys.stdlib_module_names)
    return sorted(name for name in found if not name.startswith("_"))


def _import_names(distribution: str) -> list[str]:
    """What a package is imported as that is installed under that name: sklearn, scikit-learn."""
    from importlib.metadata import packages_distributions  # slow to import, and rarely wanted

    wanted = _normalised(distribution)
    return sorted(
        name
        for name, distributions in packages_distributions().items()
        if not name.startswith("_") and wanted in map(_normalised, distributions)
    )


def _normalised(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").casefold()
