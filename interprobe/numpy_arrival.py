"""Calls a function when the program has imported NumPy, and not before.

Importing NumPy on the program's behalf would be seen: ``OPENBLAS_NUM_THREADS`` set at the top of a
script would come too late, and the NumPy of a ``sys.path`` that the script extends would not be
found. Without NumPy there are no arrays, so nothing is missed by waiting.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType


class NumpyArrival:
    """A finder in front of ``sys.meta_path`` that waits for the import of NumPy."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        """Call ``arrived()`` once NumPy is there: at once if it is already."""
        self._arrived = arrived

    def watch(self) -> None:
        """Begin to wait."""
        if "numpy" in sys.modules:
            self._arrived()
        else:
            sys.meta_path.insert(0, self)

    def forget(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find NumPy as the other finders do, and have its loader report back."""
        if name != "numpy":
            return None
        self.forget()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        if spec.loader is not None:
            _after_loading(spec, self._arrived)
        return spec


def _after_loading(spec: ModuleSpec, then: Callable[[], None]) -> None:
    loader = spec.loader
    assert loader is not None

    def exec_module(module: ModuleType) -> None:
        # The loader is as it was before NumPy's own code can look at it.
        del loader.exec_module
        loader.exec_module(module)
        then()

    # Import machinery is left out of tracebacks by its file name: an exception of NumPy's import
    # must look as it would without this function.
    assert isinstance(exec_module, FunctionType)
    exec_module.__code__ = exec_module.__code__.replace(
        co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed"
    )
    loader.exec_module = exec_module  # type: ignore[method-assign]
