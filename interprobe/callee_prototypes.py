"""Looks up a function's true prototype: in its library's debug information, else in headers."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from interprobe import symbol_tables
from interprobe.debug_prototypes import DebugPrototypes
from interprobe.header_prototypes import HeaderError, read
from interprobe.prototypes import Prototype


class CalleePrototypes:
    """The prototypes of all libraries of a run; what was read once is kept.

    Use it in a ``with`` block: it keeps files open.

    Attributes:
        problems: Why a header could not be read, a sentence each.
    """

    def __init__(self, headers: Sequence[str] = ()) -> None:
        """Take the headers whose functions may be asked for; they are not read yet."""
        self.problems: list[str] = []
        self._headers = list(headers)
        self._in_headers: dict[str, Prototype] | None = None
        self._libraries: dict[str, DebugPrototypes | None] = {}
        self._exports: dict[str, dict[str, int]] = {}

    def __enter__(self) -> CalleePrototypes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for library in self._libraries.values():
            if library is not None:
                library.close()

    def of(self, library: str, function: str, address: int | None = None) -> Prototype | None:
        """The prototype of a function.

        Args:
            library: Path of the shared object that it lies in.
            function: Its name, as far as that is known.
            address: Where it begins, in the library's own tables; None: where its name says.

        Returns:
            None where neither debug information nor a header tells.
        """
        named = self.exports(library).get(function)
        start = named if address is None else address
        # A pointer to a nameless function gets the name of its neighbour.
        is_its_name = named is None or named == start
        debug = self._debug(library)
        if debug is not None and start is not None:
            found = debug.at(start, function if is_its_name else "")
            if found is not None:
                return found
        return self.header_prototypes().get(function) if is_its_name else None

    def exports(self, library: str) -> dict[str, int]:
        """The functions that a library exports, with their addresses."""
        if library not in self._exports:
            try:
                self._exports[library] = symbol_tables.exports(library)
            except (OSError, ValueError):
                self._exports[library] = {}
        return self._exports[library]

    def has_debug_information(self, library: str) -> bool:
        """Whether the library, or a file beside it, has debug information."""
        debug = self._debug(library)
        return debug is not None and debug.found

    def header_prototypes(self) -> dict[str, Prototype]:
        """The prototypes of all headers."""
        if self._in_headers is None:
            self._in_headers = {}
            for header in self._headers:
                try:
                    self._in_headers |= read(header)
                except HeaderError as error:
                    self.problems.append(str(error))
        return self._in_headers

    def _debug(self, library: str) -> DebugPrototypes | None:
        if library not in self._libraries:
            from elftools.common.exceptions import ELFError

            try:
                self._libraries[library] = DebugPrototypes(library)
            except (OSError, ELFError, ValueError, LookupError):
                self._libraries[library] = None
        return self._libraries[library]
