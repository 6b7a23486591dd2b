"""Watches calls of functions in extension modules that the user's own code imports by name."""

from __future__ import annotations

import importlib._bootstrap as bootstrap
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FrameType, ModuleType

import numpy as np

from interprobe import native
from interprobe.import_statements import Statement, statements_of
from interprobe.probes import KnownWork

SEES = (
    "calls of functions of extension modules that your own code imports (pybind11, nanobind, "
    "Cython, f2py, cffi, SWIG, C API): count, time, and the arrays among the arguments"
)
CANNOT_SEE = (
    "operators, attributes and constructors of compiled classes (but those of pybind11 and "
    "nanobind), calls from one compiled function straight to another, and what an imported "
    "package calls inside, unless --boundary names it"
)

# They leave the C stack in the middle of a call, so that it ends in another order than it began.
_STACK_SWITCHERS = ("greenlet", "gevent")
# cffi's own machinery: the calls that it makes are watched, not how it makes them.
_MACHINERY = ("_cffi_backend",)

_NAME = "extension-calls"

_Choice = tuple[list[str], list[str]]
"""Packages to watch inside, and packages to leave alone."""

_default: _Choice = ([], [])
_chosen: dict[object, _Choice] = {}
"""What open recordings have asked for besides, each under a key of its own."""

_awaited: list[weakref.ref[object]] = []

_of_modules: weakref.WeakKeyDictionary[ModuleType, tuple[object, list[Statement]]] = (
    weakref.WeakKeyDictionary()
)
"""Import statements of modules, with the spec that each was loaded by: a reload makes another."""
_of_code: weakref.WeakKeyDictionary[CodeType, list[Statement]] = weakref.WeakKeyDictionary()
"""Import statements of code that was running when a recording began."""


def configure(boundary: Sequence[str], no_boundary: Sequence[str]) -> None:
    """Choose the packages of all recordings that start from now on.

    Args:
        boundary: Packages whose own extension modules are watched, whoever imports them; those of
            NumPy and the standard library are watched only so.
        no_boundary: Packages that are left alone.
    """
    _default[0][:] = boundary
    _default[1][:] = no_boundary


def choose(recording: object, boundary: Sequence[str], no_boundary: Sequence[str]) -> None:
    """Add to the packages while a recording is open; what one leaves alone, all leave alone.

    Functions that are watched already stay so: ``no_boundary`` comes too late for those that a
    recording around this one has met.

    Args:
        recording: What :func:`forget` will be given; kept alive until then.
        boundary: As for :func:`configure`.
        no_boundary: As for :func:`configure`.
    """
    if boundary or no_boundary:
        _chosen[recording] = (list(boundary), list(no_boundary))
        if _NAME in native.installed():
            _apply_choices()
            _look()


def forget(recording: object) -> None:
    """End what :func:`choose` began, for functions that are met from now on."""
    if _chosen.pop(recording, None) is not None and _NAME in native.installed():
        _apply_choices()


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    _apply_choices()
    native.install(_NAME)
    _look()


def _apply_choices() -> None:
    """Tell the hooks whose modules to watch."""
    choices = [_default, *_chosen.values()]
    boundary = [name for inside, _ in choices for name in inside]
    left_alone = [name for _, outside in choices for name in outside]
    native.configure_extension_calls(
        boundary, [*left_alone, *_STACK_SWITCHERS, *_MACHINERY], _never_watched()
    )


def _look() -> None:
    """Find functions in what is imported already."""
    native.scan_extension_modules()
    statements = list(dict.fromkeys(_statements_of_user_code()))
    pending = [each for each in statements if not native.scan_import_statement(*each)]
    if pending:
        _await_imports(pending)


def uninstall() -> None:
    """Put every pointer back."""
    _awaited.clear()
    native.uninstall(_NAME)


def blind_spots() -> list[str]:
    """A sentence about functions for which no trampoline was left, or nothing."""
    count = native.unwatched_extension_functions()
    if count == 0:
        return []
    return [
        f"Calls of {count} functions of extension modules: there are too many to watch at once. "
        "Leave a large package alone with --no-boundary PACKAGE."
    ]


def _never_watched() -> list[str]:
    """Folders of shared objects that are no foreign code: NumPy, standard library, interprobe."""
    folders = {os.path.dirname(np.__file__)}
    for name in ("_ctypes", "interprobe.native._native"):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            folders.add(os.path.dirname(file))
    return sorted(folders | {os.path.realpath(folder) for folder in folders})


def _statements_of_user_code() -> Iterator[Statement]:
    """Import statements of the user's code that has run, or is running, before the hooks came."""
    for frame in sys._current_frames().values():
        yield from _statements_on_stack(frame)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (
            isinstance(module, ModuleType)
            and isinstance(file, str)
            and file.endswith(".py")
            and native.is_user_file(file)
        ):
            yield from _statements_of_module(name, module)


def _statements_of_module(name: str, module: ModuleType) -> list[Statement]:
    spec = getattr(module, "__spec__", None)
    known = _of_modules.get(module)
    if known is None or known[0] is not spec:
        code = _code_of_module(name, module)
        known = spec, [] if code is None else list(statements_of(code, vars(module)))
        _of_modules[module] = known
    return known[1]


def _statements_on_stack(frame: FrameType | None) -> Iterator[Statement]:
    while frame is not None:
        if native.is_user_file(frame.f_code.co_filename):
            known = _of_code.get(frame.f_code)
            if known is None:
                known = list(statements_of(frame.f_code, frame.f_globals))
                _of_code[frame.f_code] = known
            yield from known
        frame = frame.f_back


def _code_of_module(name: str, module: object) -> CodeType | None:
    """The code that made a module, from where it was loaded: its own copy is gone by now."""
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    get_code = getattr(loader, "get_code", None)
    if get_code is None:
        return None
    try:
        code = get_code(name)
    except (ImportError, OSError, SyntaxError):
        return None
    return code if isinstance(code, CodeType) else None


def _await_imports(pending: Iterable[Statement]) -> None:
    """Look at statements again whenever an import that is under way has ended.

    An import holds a lock object that dies with it; :mod:`importlib` knows it by a weak reference.
    """
    look_again = native.import_settled(list(pending))
    locks = getattr(bootstrap, "_module_locks", {})
    for reference in list(locks.values()):
        lock = reference()
        if lock is not None:
            _awaited.append(weakref.ref(lock, look_again))


KNOWN_WORK = KnownWork(
    code="""
from interprobe.cdemo import cykernels
cykernels.sum(values[0])
""",
    records="calls",
    name="sum",
    count=1,
    bytes=320,
)
