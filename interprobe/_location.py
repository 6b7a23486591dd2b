"""Finds the installed package when Python imports the uncompiled source tree instead.

In the root of the source tree ``python -m pytest`` and ``python script.py`` put the tree before the
installed package. The tree has no compiled parts, so everything is then taken from the installed
copy, as a whole: a mixture of both would be neither.
"""

from __future__ import annotations

import os
import sys


def package_path(own: list[str]) -> list[str]:
    """The folders to import the package's modules from.

    Args:
        own: The package's ``__path__``.

    Returns:
        ``own``, or the folder of an installed copy where ``own`` is an uncompiled tree. An editable
        install keeps ``own``: its import hook knows where the compiled parts are.
    """
    if _is_compiled(own[0]):
        return own
    for entry in sys.path:
        folder = os.path.join(entry or os.getcwd(), "interprobe")
        if os.path.isfile(os.path.join(folder, "__init__.py")) and _is_compiled(folder):
            return [folder]
    return own


def _is_compiled(folder: str) -> bool:
    try:
        names = os.listdir(os.path.join(folder, "native"))
    except OSError:
        return False
    return any(name.startswith("_native.") and name.endswith(".so") for name in names)
