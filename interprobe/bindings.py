"""Reads a binding module without running it: which function is declared how, and where.

The syntax tree is evaluated as far as declarations depend on it: assignments, loops over what the
source lists, calls of the module's own functions, both branches of a condition. What is not
followed stays unknown, and an unknown declaration is said to be one.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from typing import Any

from interprobe.binding_expressions import Expressions
from interprobe.binding_names import LocalFunction, Names, bind, either
from interprobe.binding_values import (
    UNFOLLOWED,
    Bindings,
    FunctionValue,
    Listed,
    NotFollowed,
    Reference,
    Scope,
    TypeValue,
    struct_layout,
)
from interprobe.prototypes import CType

_MOST_STATEMENTS = 200_000
_DEEPEST = 12
"""Calls inside calls that are followed."""


class _Returned(Exception):  # noqa: N818
    """A ``return`` was reached."""

    def __init__(self, value: Any) -> None:
        self.value = value


def read_bindings(source: str, file: str) -> Bindings:
    """Read a binding module.

    Args:
        source: Its text.
        file: Its path: modules beside it are read where it imports names from them.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It holds null bytes.
    """
    reader = _Module(file)
    reader.run(ast.parse(source))
    return reader.found


class _Module(Expressions):
    """Carries out the statements of one module."""

    def __init__(self, file: str, package: dict[str, _Module] | None = None) -> None:
        super().__init__(Bindings())
        self._file = file
        self._package = {} if package is None else package
        self._package[os.path.abspath(file)] = (
            self  # also what is still being read: imports may cycle
        )
        self._calls = 0
        self._statements = 0
        self._functions: list[LocalFunction] = []
        self.names = Names()

    def run(self, tree: ast.Module) -> None:
        """Carry out a module, and then the functions that it defines and does not call."""
        self.block(tree.body)
        for function in self._functions:  # grows meanwhile
            if not function.called:
                self._call_local(function, [], {}, None)

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Carry out statements of the module's own level."""
        self._block(statements, self.names)

    def _block(self, statements: Iterable[ast.stmt], names: Names) -> None:
        for statement in statements:
            self._statements += 1
            if self._statements <= _MOST_STATEMENTS:
                self._statement(statement, names)

    def _statement(self, node: ast.stmt, names: Names) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                result = self.value(value, names)
                for target in targets:
                    self._assign(target, result, names, node)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, self.value(value, names), names, node)
            case ast.AugAssign(target=target, value=value):
                result = self.value(ast.BinOp(_loaded(target), node.op, value), names)
                self._assign(target, result, names, node)
            case ast.Expr(value=value):
                self.thrown_away = value
                self.value(value, names)
            case ast.If(test=test, body=body, orelse=other):
                self.value(test, names)
                self._branches([body, other], names)
            case ast.For(target=target, iter=iterable, body=body, orelse=other):
                self._loop(target, self.value(iterable, names), body, names, node)
                self._block(other, names)
            case ast.While(test=test, body=body, orelse=other):
                self.value(test, names)
                self._block([*body, *other], names)
            case ast.Try(body=body, handlers=handlers, orelse=other, finalbody=last):
                self._block(body, names)
                for handler in handlers:
                    self._branches([handler.body, []], names)
                self._block([*other, *last], names)
            case ast.With(items=items, body=body):
                for item in items:
                    entered = self.value(item.context_expr, names)
                    if item.optional_vars is not None:
                        self._assign(item.optional_vars, entered, names, node)
                self._block(body, names)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = LocalFunction(node, names)
                self._functions.append(function)
                names.own[node.name] = function
            case ast.ClassDef():
                self._class(node, names)
            case ast.Import() | ast.ImportFrom():
                self._import(node, names)
            case ast.Return(value=value):
                raise _Returned(None if value is None else self.value(value, names))
            case ast.Assert(test=test):
                self.value(test, names)
            case ast.Match(subject=subject, cases=cases):
                self.value(subject, names)
                self._branches([case.body for case in cases], names)

    def _branches(self, blocks: list[list[ast.stmt]], names: Names) -> None:
        """Carry out each block from the same beginning; a name may then be one of several types."""
        before, ends = dict(names.own), []
        returned: list[_Returned] = []
        for block in blocks:
            names.own = dict(before)
            try:
                self._block(block, names)
            except _Returned as result:
                returned.append(result)
                continue
            ends.append(names.own)
        merged = dict(before)
        for end in ends:
            for name, value in end.items():
                merged[name] = either(
                    merged.get(name), before.get(name), value, first=end is ends[0]
                )
        names.own = merged
        if returned and not ends:
            raise returned[0]

    def _loop(
        self, target: ast.expr, iterable: Any, body: list[ast.stmt], names: Names, node: ast.stmt
    ) -> None:
        if isinstance(iterable, dict):
            iterable = Listed(list(iterable), [node.lineno] * len(iterable))
        if not isinstance(iterable, Listed):
            self._assign(target, UNFOLLOWED, names, node)
            self._block(body, names)
            if _declares(body):
                self.note(node.lineno, "this loop runs over something that is not listed here")
            return
        for value, line in zip(iterable, iterable.lines, strict=False):
            self._assign(target, value, names, node)
            self.origins.append((line, line, value))
            try:
                self._block(body, names)
            finally:
                self.origins.pop()

    def _assign(self, target: ast.expr, value: Any, names: Names, node: ast.stmt) -> None:
        match target:
            case ast.Name(id=name):
                names.own[name] = value
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                known = isinstance(value, Listed) and len(value) == len(elements)
                for index, element in enumerate(elements):
                    self._assign(element, value[index] if known else UNFOLLOWED, names, node)
            case ast.Attribute(value=owner, attr=name):
                self._set(self.value(owner, names), name, value, target, node)
            case ast.Subscript(value=owner, slice=index):
                holder, key = self.value(owner, names), self.value(index, names)
                if isinstance(holder, dict) and isinstance(key, (str, int)):
                    holder[key] = value
            case ast.Starred(value=inner):
                self._assign(inner, UNFOLLOWED, names, node)

    def _set(
        self, owner: Any, name: str, value: Any, target: ast.expr, node: ast.stmt | ast.expr
    ) -> None:
        if name in ("argtypes", "restype"):
            function = owner
            if isinstance(owner, NotFollowed) and owner.name is not None:
                function = FunctionValue(None, owner.name)
            if isinstance(function, FunctionValue):
                self.declare(function, name, value, node)
            elif isinstance(owner, NotFollowed):
                self.note(node.lineno, f"which function's {name} this sets is not written here")
        elif name == "_fields_" and isinstance(owner, TypeValue):
            self._fields(owner.text, value, 0, node, is_union=False)
        elif isinstance(owner, Scope):
            owner.names[name] = value

    def set_attribute(self, owner: Any, name: str, value: Any, node: ast.expr) -> None:
        """What ``setattr`` does."""
        self._set(owner, name, value, node, node)

    def _class(self, node: ast.ClassDef, names: Names) -> None:
        bases = [self.value(base, names) for base in node.bases]
        of_ctypes = [base.name for base in bases if isinstance(base, Reference)]
        inherited = [
            self.found.layouts[base.text]
            for base in bases
            if isinstance(base, TypeValue) and base.text in self.found.layouts
        ]
        kinds = {"ctypes.Structure", "ctypes.Union"}
        scope = Scope(is_class=True)
        if not (kinds & set(of_ctypes) or inherited):
            simple = next((base for base in bases if isinstance(base, TypeValue)), None)
            names.own[node.name] = simple or scope  # a class derived from c_void_p is one
            self._class_body(node, scope, names)
            return
        is_union = "ctypes.Union" in of_ctypes or any(each.is_union for each in inherited)
        names.own[node.name] = TypeValue((CType("struct", node.name),), node.name)
        self._class_body(node, scope, names)
        fields = scope.names.get("_fields_")
        pack = scope.names.get("_pack_", 0)
        before = [(each.name, each.type) for layout in inherited for each in layout.members]
        if fields is not None or inherited:
            self._fields(
                node.name,
                fields if fields is not None else Listed([], []),
                pack if isinstance(pack, int) else -1,
                _fields_node(node),
                is_union=is_union,
                before=before,
            )
            layout = self.found.layouts.get(node.name)
            size = layout.size if layout is not None else 0
            names.own[node.name] = TypeValue((CType("struct", node.name, size),), node.name)

    def _class_body(self, node: ast.ClassDef, scope: Scope, names: Names) -> None:
        inner = Names(names)
        inner.own = scope.names
        instance = Scope()
        for statement in node.body:
            self._statement(statement, inner)
            # A branch replaces the dictionary.
            scope.names = inner.own
        for function in self._functions:
            if function.names is inner:
                function.owner = instance
                function.names = names
        instance.names = scope.names

    def _fields(
        self,
        name: str,
        value: Any,
        pack: int,
        node: ast.stmt | ast.expr,
        *,
        is_union: bool,
        before: list[tuple[str, CType]] | None = None,
    ) -> None:
        fields = list(before or [])
        items: list[Any] = value if isinstance(value, Listed) else [UNFOLLOWED]
        for item in items:
            plain = isinstance(item, Listed) and len(item) == 2 and isinstance(item[0], str)
            type_ = item[1] if plain else None
            if not plain or not isinstance(type_, TypeValue) or len(type_.types) != 1 or pack < 0:
                self.note(node.lineno, f"the fields of {name} are not all written here")
                return
            known = type_.types[0]
            if known.kind == "struct" and not known.size:
                return  # of a structure whose own layout is not known
            fields.append((item[0], known))
        self.found.layouts[name] = struct_layout(
            name, fields, pack, self.found.layouts, is_union=is_union
        )
        self.found.structure_lines[name] = (node.lineno, node.end_lineno or node.lineno)

    def _import(self, node: ast.Import | ast.ImportFrom, names: Names) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "ctypes":
                    self.found.module = alias.asname or "ctypes"
                first = alias.name.partition(".")[0]
                names.own[alias.asname or first] = Reference(alias.name if alias.asname else first)
            return
        if node.level > 0:
            self._import_sibling(node, names)
            return
        for alias in node.names:
            if node.module == "ctypes" and self.found.module == "ctypes":
                self.found.module = ""
            if alias.name == "*":
                if node.module == "ctypes":
                    names.own.update(self.everything_of_ctypes())
                continue
            names.own[alias.asname or alias.name] = self.member(
                Reference(node.module or ""), alias.name
            )

    def _import_sibling(self, node: ast.ImportFrom, names: Names) -> None:
        """Take names from a module in the same package, which is read as well."""
        for alias in node.names:
            names.own[alias.asname or alias.name] = UNFOLLOWED
        folder = os.path.dirname(os.path.abspath(self._file))
        for _ in range(node.level - 1):
            folder = os.path.dirname(folder)
        path = os.path.join(folder, *(node.module or "__init__").split(".")) + ".py"
        other = self._package.get(path)
        if other is None:
            other = _Module(path, self._package)
            try:
                with open(path, encoding="utf-8") as file:
                    other.block(ast.parse(file.read()).body)
            except (OSError, SyntaxError, ValueError):
                return
        self.found.layouts.update(other.found.layouts)
        wanted = [(alias.name, alias.asname or alias.name) for alias in node.names]
        if wanted == [("*", "*")]:
            wanted = [(name, name) for name in other.names.own if not name.startswith("_")]
        for name, here in wanted:
            value = other.names.own.get(name, UNFOLLOWED)
            if not isinstance(value, LocalFunction):
                names.own[here] = value

    def call_value(
        self,
        function: Any,
        arguments: list[Any],
        keywords: dict[str, Any],
        node: ast.Call,
    ) -> Any:
        """What a call of the module's own functions and classes yields."""
        if isinstance(function, LocalFunction):
            return self._call_local(function, arguments, keywords, node)
        if isinstance(function, Scope) and function.is_class:
            return Scope(dict(function.names))
        return UNFOLLOWED

    def _call_local(
        self,
        function: LocalFunction,
        arguments: list[Any],
        keywords: dict[str, Any],
        node: ast.Call | None,
    ) -> Any:
        again, function.called = function.called, True
        if self._calls >= _DEEPEST or (again and not function.concerns_declarations()):
            return UNFOLLOWED
        names = Names(function.names)
        bind(function, arguments, keywords, names, self.value)
        self._calls += 1
        if node is not None:
            last = node.end_lineno or node.lineno
            self.origins.append((node.lineno, last, [*arguments, *keywords.values()]))
        try:
            self._block(function.node.body, names)
        except _Returned as result:
            return result.value
        finally:
            self._calls -= 1
            if node is not None:
                self.origins.pop()
        return None


def _declares(body: list[ast.stmt]) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("argtypes", "restype")
        for statement in body
        for node in ast.walk(statement)
    )


def _loaded(target: ast.expr) -> ast.expr:
    """A target as an expression to be read."""
    return ast.parse(ast.unparse(target), mode="eval").body


def _fields_node(node: ast.ClassDef) -> ast.stmt:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and "_fields_" in ast.unparse(statement.targets[0]):
            return statement
    return node
