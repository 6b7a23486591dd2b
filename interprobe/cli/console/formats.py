"""Finds the renderers, and draws with one by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interprobe.cli.console.arguments import unknown

if TYPE_CHECKING:
    from interprobe.cli.console.output import Output
    from interprobe.trace import Trace


def names() -> list[str]:
    """The formats that there are, without loading what draws them."""
    import pkgutil
    from importlib.util import find_spec

    spec = find_spec("interprobe.renderers")
    assert spec is not None
    return [module.name for module in pkgutil.iter_modules(spec.submodule_search_locations)]


def check(name: str) -> None:
    """Make sure that a format exists.

    Raises:
        UsageError: It does not.
    """
    if name not in names():
        existing = f"the formats are {' and '.join(names())}"
        raise unknown("There is no format", name, names(), otherwise=existing)


def drawn(trace: Trace, name: str, output: Output) -> str:
    """A trace drawn in the format of that name, as wide and colourful as the output allows."""
    from interprobe.renderers import renderers

    return renderers()[name].render(trace, width=output.width, color=output.color)
