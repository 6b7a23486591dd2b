"""Evaluates the expressions of a binding module, and books what they say of functions."""

from __future__ import annotations

import ast
import os
from typing import Any

from interprobe.binding_values import (
    UNFOLLOWED,
    Bindings,
    Declaration,
    FunctionType,
    FunctionValue,
    LibraryValue,
    Listed,
    NotFollowed,
    Reference,
    Scope,
    TypeValue,
    Use,
    as_array,
    as_pointer,
    cdef_declarations,
    ctypes_member,
    dtype_type,
)
from interprobe.prototypes import VOID, CType, pointer_to

_LOADERS = frozenset(
    ["ctypes.CDLL", "ctypes.PyDLL", "ctypes.WinDLL", "ctypes.OleDLL", "ctypes.cdll.LoadLibrary"]
) | {"ctypes.windll.LoadLibrary", "numpy.ctypeslib.load_library"}
_FUNCTION_TYPES = frozenset(["ctypes.CFUNCTYPE", "ctypes.PYFUNCTYPE", "ctypes.WINFUNCTYPE"])
_TEXT_OF = frozenset(["builtins.str", "os.fspath", "os.path.abspath", "os.path.realpath"])
_PATH_TAILS = frozenset(["os.path.join", "pathlib.Path", "posixpath.join"])
_ENTRIES = frozenset(["_name", "_handle", "_FuncPtr"])
_MOST_ITEMS = 10_000
_FFI = Reference("an FFI object of cffi")


class Expressions:
    """Expressions of one module; statements are for whoever inherits it.

    Attributes:
        found: What was found so far.
        origins: (line, last line, values) of the loops and calls that are being carried out: a
            function that is declared by its name in a table is declared in that row.
        thrown_away: The expression that is a statement of its own.
    """

    def __init__(self, found: Bindings) -> None:
        self.found = found
        self.origins: list[tuple[int, int, Any]] = []
        self.thrown_away: ast.expr | None = None

    def note(self, line: int, sentence: str) -> None:
        """Remember what could not be followed."""
        if (line, sentence) not in self.found.notes:
            self.found.notes.append((line, sentence))

    def declare(
        self, function: FunctionValue, aspect: str, value: Any, node: ast.stmt | ast.expr
    ) -> None:
        """Book a declaration, in the row of the table that names the function, if one does."""
        line, last = node.lineno, node.end_lineno or node.lineno
        for begins, ends, values in self.origins:
            if function.name in _strings(values):
                line, last = begins, ends
                break
        found = Declaration(function.name, function.library, line, last, aspect, value)
        if found not in self.found.declarations:
            self.found.declarations.append(found)

    def set_attribute(self, owner: Any, name: str, value: Any, node: ast.expr) -> None:
        """What ``setattr`` does."""

    def call_value(
        self, function: Any, arguments: list[Any], keywords: dict[str, Any], node: ast.Call
    ) -> Any:
        """What a call of the module's own functions and classes yields."""
        return UNFOLLOWED

    def value(self, node: ast.expr, names: Any) -> Any:
        """What an expression evaluates to."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return names.find(name)
            case ast.Attribute(value=owner, attr=name):
                return self.member(self.value(owner, names), name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return self._listed(elements, names)
            case ast.Dict(keys=keys, values=values):
                return self._mapping(keys, values, names)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._operation(self.value(left, names), operator, self.value(right, names))
            case ast.Subscript(value=owner, slice=index):
                return self._item(self.value(owner, names), self.value(index, names))
            case ast.Call():
                return self._call(node, names)
            case ast.IfExp(test=test, body=body, orelse=other):
                self.value(test, names)
                one, two = self.value(body, names), self.value(other, names)
                if isinstance(one, TypeValue) and isinstance(two, TypeValue):
                    return TypeValue((*one.types, *two.types), one.text)
                return one if isinstance(two, NotFollowed) or two is None else UNFOLLOWED
            case ast.NamedExpr(target=target, value=value):
                names.own[target.id] = result = self.value(value, names)
                return result
            case ast.JoinedStr(values=parts):
                return self._joined(parts, names)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self._comprehension(node, names)
            case ast.Starred(value=inner):
                return self.value(inner, names)
        # Calls inside of what is not followed count as uses all the same.
        if not isinstance(node, ast.Lambda):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.value(child, names)
        return UNFOLLOWED

    def member(self, owner: Any, name: str) -> Any:
        """An attribute."""
        if isinstance(owner, Reference):
            whole = f"{owner.name}.{name}"
            if owner.name == "ctypes":
                return ctypes_member(name) or Reference(whole)
            if owner.name in ("ctypes.cdll", "ctypes.windll") and name != "LoadLibrary":
                return LibraryValue(name)
            return Reference(whole)
        if isinstance(owner, LibraryValue):
            return UNFOLLOWED if name in _ENTRIES else FunctionValue(owner, name)
        if isinstance(owner, Scope):
            return owner.names.get(name, NotFollowed(name))
        if isinstance(owner, (dict, Listed, str)):
            return _Method(owner, name)
        return NotFollowed(name)

    def everything_of_ctypes(self) -> dict[str, Any]:
        """What ``from ctypes import *`` brings."""
        import ctypes

        reference = Reference("ctypes")
        return {
            name: self.member(reference, name) for name in vars(ctypes) if not name.startswith("_")
        }

    def _listed(self, elements: list[ast.expr], names: Any) -> Listed:
        values: list[Any] = []
        lines: list[int] = []
        for element in elements:
            value = self.value(element, names)
            if isinstance(element, ast.Starred):
                spread = value if isinstance(value, Listed) else [UNFOLLOWED]
                values += spread
                lines += [element.lineno] * len(spread)
            else:
                values.append(value)
                lines.append(element.lineno)
        return Listed(values, lines)

    def _mapping(self, keys: list[ast.expr | None], values: list[ast.expr], names: Any) -> Any:
        found = _Mapping()
        for key, node in zip(keys, values, strict=True):
            value = self.value(node, names)
            known = UNFOLLOWED if key is None else self.value(key, names)
            if isinstance(known, (str, int)) and key is not None:
                found[known] = value
                found.lines[known] = key.lineno
        return found

    def _operation(self, left: Any, operator: ast.operator, right: Any) -> Any:
        if isinstance(operator, ast.Mult):
            type_, number = (left, right) if isinstance(left, TypeValue) else (right, left)
            if isinstance(type_, TypeValue):
                return as_array(type_, number if isinstance(number, int) else 0)
            items, number = (left, right) if isinstance(left, Listed) else (right, left)
            if isinstance(items, Listed) and isinstance(number, int) and number < _MOST_ITEMS:
                return Listed(list(items) * number, items.lines * number)
        if isinstance(operator, ast.Add):
            if isinstance(left, Listed) and isinstance(right, Listed):
                return Listed([*left, *right], [*left.lines, *right.lines])
            if isinstance(left, str) and isinstance(right, str):
                return left + right
            if isinstance(right, str) and "." in right:
                return UNFOLLOWED
        if isinstance(operator, ast.Div) and isinstance(right, str):
            return right  # of a path, its last part
        return UNFOLLOWED

    def _item(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, LibraryValue) and isinstance(index, str):
            return FunctionValue(owner, index)
        if isinstance(owner, Reference) and owner.name in ("ctypes.cdll", "ctypes.windll"):
            return LibraryValue(index if isinstance(index, str) else None)
        if isinstance(owner, dict) and isinstance(index, (str, int)):
            return owner.get(index, UNFOLLOWED)
        if (
            isinstance(owner, Listed)
            and isinstance(index, int)
            and -len(owner) <= index < len(owner)
        ):
            return owner[index]
        return UNFOLLOWED

    def _joined(self, parts: list[ast.expr], names: Any) -> Any:
        text = ""
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.value(inner, names)
            if not isinstance(value, (str, int)):
                return UNFOLLOWED
            text += str(value)
        return text

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, names: Any
    ) -> Any:
        first = node.generators[0]
        items = self.value(first.iter, names)
        plain = len(node.generators) == 1 and isinstance(first.target, ast.Name) and not first.ifs
        if not plain or not isinstance(items, Listed) or not isinstance(first.target, ast.Name):
            return UNFOLLOWED
        inner = type(names)(names)
        values = []
        for item in items:
            inner.own[first.target.id] = item
            values.append(self.value(node.elt, inner))
        return Listed(values, items.lines)

    def _call(self, node: ast.Call, names: Any) -> Any:
        function = self.value(node.func, names)
        arguments = list(self._listed(node.args, names))
        keywords = {
            word.arg: self.value(word.value, names)
            for word in node.keywords
            if word.arg is not None
        }
        match function:
            case FunctionValue():
                is_read = node is not self.thrown_away
                use = Use(function.name, function.library, node.lineno, is_read)
                self.found.uses.append(use)
                return UNFOLLOWED
            case FunctionType():
                return self._prototyped(function, arguments, node)
            case TypeValue():
                return UNFOLLOWED  # an instance
            case _Method():
                return function.call(arguments)
            case Reference(name=name):
                return self._call_reference(name, arguments, keywords, node)
        if isinstance(function, NotFollowed) and function.name == "cdef":
            return self._cdef(arguments, node)
        return self.call_value(function, arguments, keywords, node)

    def _call_reference(
        self, name: str, arguments: list[Any], keywords: dict[str, Any], node: ast.Call
    ) -> Any:
        first = arguments[0] if arguments else None
        short = name.removeprefix("builtins.")
        if name == "ctypes.POINTER":
            return as_pointer(first) if isinstance(first, TypeValue) else self._pointer_to_unknown()
        if name in _LOADERS:
            path = first if first is not None else keywords.get("name")
            return LibraryValue(os.path.basename(path) if isinstance(path, str) else None)
        if name in _FUNCTION_TYPES:
            return FunctionType(first, arguments[1:])
        if name == "numpy.ctypeslib.ndpointer":
            element = dtype_type(arguments[0] if arguments else keywords.get("dtype"))
            shown = ast.unparse(node)
            return TypeValue((pointer_to(element or VOID),), shown)
        if name in ("numpy.ctypeslib.as_ctypes_type", "numpy.dtype"):
            element = dtype_type(first)
            return UNFOLLOWED if element is None else TypeValue((element,), ast.unparse(node))
        if name.startswith("cffi.") and name.endswith("FFI"):
            return _FFI
        if name == f"{_FFI.name}.cdef":
            return self._cdef(arguments, node)
        if name == f"{_FFI.name}.dlopen":
            return LibraryValue(os.path.basename(first) if isinstance(first, str) else None)
        if short == "getattr" and len(arguments) >= 2 and isinstance(arguments[1], str):
            return self.member(first, arguments[1])
        if short == "setattr" and len(arguments) == 3 and isinstance(arguments[1], str):
            self.set_attribute(first, arguments[1], arguments[2], node)
            return None
        if name in _TEXT_OF:
            return first
        if name in _PATH_TAILS:
            return arguments[-1] if arguments else UNFOLLOWED
        return _builtin(short, arguments)

    def _pointer_to_unknown(self) -> TypeValue:
        return TypeValue((pointer_to(CType("unknown", "?")),), "POINTER(...)")

    def _prototyped(self, kind: FunctionType, arguments: list[Any], node: ast.Call) -> Any:
        """``CFUNCTYPE(...)(("name", library))``: a function with its prototype."""
        first = arguments[0] if arguments else None
        if not (isinstance(first, Listed) and len(first) >= 2 and isinstance(first[0], str)):
            return UNFOLLOWED
        library = first[1] if isinstance(first[1], LibraryValue) else None
        function = FunctionValue(library, first[0])
        values = Listed(list(kind.arguments), [node.lineno] * len(kind.arguments))
        self.declare(function, "argtypes", values, node)
        self.declare(function, "restype", kind.result, node)
        return function

    def _cdef(self, arguments: list[Any], node: ast.Call) -> None:
        from interprobe.header_prototypes import HeaderError, read_text

        text = arguments[0] if arguments else None
        if not isinstance(text, str):
            self.note(node.lineno, "the text of this cdef is not written here")
            return
        try:
            prototypes = read_text(text, "cdef")
        except HeaderError as error:
            self.note(node.lineno, f"this cdef cannot be read: {error}")
            return
        begins = node.args[0].lineno
        last = node.args[0].end_lineno or begins
        self.found.declarations += cdef_declarations(prototypes, begins, last)


class _Mapping(dict[Any, Any]):
    """A dict of the source; ``lines`` are those of its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, int] = {}


class _Method:
    """A method of a list, a dict or a text."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = owner
        self._name = name

    def call(self, arguments: list[Any]) -> Any:
        """What it returns; UNFOLLOWED where it is none of those that tables need."""
        owner, name = self._owner, self._name
        if isinstance(owner, _Mapping):
            lines = [owner.lines.get(key, 0) for key in owner]
            if name == "items":
                return Listed([Listed([key, owner[key]], [0, 0]) for key in owner], lines)
            if name in ("keys", "values"):
                return Listed(list(owner if name == "keys" else owner.values()), lines)
            if name == "get" and arguments:
                return owner.get(arguments[0], None if len(arguments) < 2 else arguments[1])
        if isinstance(owner, Listed) and name in ("append", "extend") and arguments:
            items = [arguments[0]] if name == "append" else arguments[0]
            if isinstance(items, list):
                owner += items
                owner.lines += [owner.lines[-1] if owner.lines else 0] * len(items)
            return None
        if isinstance(owner, str) and name == "split" and not arguments:
            return Listed(list(owner.split()), [0] * len(owner.split()))
        return UNFOLLOWED


def _builtin(name: str, arguments: list[Any]) -> Any:
    """The builtins that tables of functions are made with."""
    lists = [each for each in arguments if isinstance(each, Listed)]
    if name in ("list", "tuple", "sorted", "iter", "reversed") and lists:
        return lists[0]
    if name in ("list", "tuple") and not arguments:
        return Listed([], [])
    if name == "dict" and not arguments:
        return _Mapping()
    if name == "zip" and lists and len(lists) == len(arguments):
        return Listed(
            [Listed(list(row), [0] * len(row)) for row in zip(*lists, strict=False)], lists[0].lines
        )
    if name == "enumerate" and lists:
        return Listed([Listed([i, v], [0, 0]) for i, v in enumerate(lists[0])], lists[0].lines)
    if name == "range" and len(arguments) == 1 and isinstance(arguments[0], int):
        count = min(arguments[0], _MOST_ITEMS)
        return Listed(list(range(count)), [0] * count)
    return UNFOLLOWED


def _strings(values: Any) -> set[str]:
    """The texts in nested lists."""
    if isinstance(values, str):
        return {values}
    if isinstance(values, list):
        return {text for value in values for text in _strings(value)}
    return set()
