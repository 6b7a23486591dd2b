"""The formats that a trace can be drawn in: one file each, found by its ``NAME``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from interprobe.trace import Trace


class Renderer(Protocol):
    """What a file in this folder holds to be a renderer."""

    NAME: str
    """What the format is called on the command line; no other file has the same."""

    def render(self, trace: Trace, *, width: int, color: bool) -> str:
        """Draw ``trace`` without reading or writing anything else.

        Args:
            trace: The run, with its findings.
            width: Cells of a line, for formats that have lines.
            color: Whether colours may be used.

        Returns:
            The document.
        """


def renderers() -> dict[str, Renderer]:
    """All renderers by name, sorted."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    )
    found = [cast(Renderer, module) for module in modules if hasattr(module, "render")]
    return {renderer.NAME: renderer for renderer in sorted(found, key=lambda one: one.NAME)}
