"""Finds the loop around a place in source code."""

from __future__ import annotations

import ast
import textwrap
from functools import lru_cache
from typing import TypeGuard

from interprobe.findings import Site
from interprobe.sites import source_lines

MOST_LINES = 40
"""A longer loop says little about one call in it."""

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def loop_around(site: Site) -> str:
    """Source text of the innermost loop, or comprehension, that a place is in.

    Args:
        site: The place; one whose columns are not known is taken for its whole line.

    Returns:
        The loop, without its indentation; "" where there is none in the same function, where it is
        longer than ``MOST_LINES``, or where the source cannot be read.
    """
    lines = source_lines(site.file)
    tree = _tree("".join(lines)) if 0 < site.line <= len(lines) else None
    if tree is None:
        return ""
    try:
        found = _innermost(tree, site)
    except RecursionError:  # generated code can nest deeper than Python's stack
        return ""
    if found is None or found.end_lineno is None:
        return ""
    if found.end_lineno - found.lineno >= MOST_LINES:
        return ""
    if isinstance(found, _COMPREHENSIONS):
        return ast.get_source_segment("".join(lines), found) or ""
    return textwrap.dedent("".join(lines[found.lineno - 1 : found.end_lineno])).rstrip()


@lru_cache(maxsize=8)
def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _repeats(node: ast.AST, child: ast.AST) -> TypeGuard[ast.stmt | ast.expr]:
    """Whether a node is a loop that runs a part of it again and again."""
    if isinstance(node, _LOOPS):
        return child is not getattr(node, "iter", None)
    return isinstance(node, _COMPREHENSIONS) and child is not node.generators[0]


def _innermost(tree: ast.Module, site: Site) -> ast.stmt | ast.expr | None:
    """The loop whose body holds the place, and no other loop or function inside it does."""
    found: ast.stmt | ast.expr | None = None
    node: ast.AST | None = tree
    while node is not None:
        inside = [child for child in ast.iter_child_nodes(node) if _holds(child, site)]
        child = inside[-1] if inside else None
        if isinstance(child, _SCOPES):
            found = None
        elif child is not None and _repeats(node, child):
            found = node
        node = child
    return found


def _holds(node: ast.AST, site: Site) -> bool:
    """Whether a node's source text holds the beginning of the place."""
    first = getattr(node, "lineno", None)
    last = getattr(node, "end_lineno", None)
    if isinstance(node, ast.comprehension):
        return any(_holds(part, site) for part in (node.iter, *node.ifs))
    if first is None or last is None:
        return False
    if site.column is None:
        return bool(first <= site.line <= last) and isinstance(node, ast.stmt)
    place = (site.line, site.column)
    return (first, node.col_offset) <= place < (last, node.end_col_offset)  # type: ignore[attr-defined]
