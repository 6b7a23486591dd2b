"""Turns the types of a syntax tree of pycparser's into C types."""

from __future__ import annotations

from typing import Any

from interprobe.prototypes import (
    STANDARD_NAMES,
    UNKNOWN,
    CType,
    Member,
    Parameter,
    Prototype,
    StructLayout,
    arithmetic,
    array_of,
    bare,
    function_of,
    pointer_to,
    qualified,
)


class SyntaxTypes:
    """The types of one translation unit: its typedefs and structures are noted as they come."""

    def __init__(self, path: str, special: set[int]) -> None:
        self.typedefs: dict[str, Any] = {}
        self._structs: dict[str, Any] = {}
        self._path = path
        self._special = special

    def note_structs(self, node: Any) -> None:
        """Remember the structures that a declaration defines, by tag and by typedef."""
        from pycparser import c_ast

        for child in _walk(node):
            if isinstance(child, (c_ast.Struct, c_ast.Union)) and child.decls is not None:
                word = "union" if isinstance(child, c_ast.Union) else "struct"
                if child.name:
                    self._structs[f"{word} {child.name}"] = child
        if isinstance(node, c_ast.Typedef) and isinstance(node.type, c_ast.TypeDecl):
            self._structs.setdefault(node.name, node.type.type)

    def prototype(self, name: str, declaration: Any) -> Prototype:
        """The prototype in a function's declaration."""
        parameters, variadic = self._parameters(declaration)
        returns = self.type_of(declaration.type)
        layouts: dict[str, StructLayout] = {}
        for each in (*(parameter.type for parameter in parameters), returns):
            self._add_layout(each, layouts, 3)
        return Prototype(
            name, returns, parameters, variadic, list(layouts.values()), source=self._path
        )

    def _parameters(self, declaration: Any) -> tuple[list[Parameter], bool]:
        from pycparser import c_ast

        if declaration.args is None:
            return [], True  # `f()` says nothing of its parameters
        found, variadic = [], False
        for each in declaration.args.params:
            if isinstance(each, c_ast.EllipsisParam):
                variadic = True
                continue
            if isinstance(each, c_ast.ID):
                found.append(Parameter(each.name, UNKNOWN))
                continue
            type_ = self.type_of(each.type)
            if type_.kind == "array" and type_.target is not None:
                type_ = pointer_to(type_.target)
            elif type_.kind == "function":
                type_ = pointer_to(type_)
            found.append(Parameter(each.name, type_))
        if len(found) == 1 and found[0].type.kind == "void":
            found = []
        return found, variadic

    def type_of(self, node: Any, depth: int = 12, *, sized: bool = True) -> CType:
        """A type node as a value; behind pointers the sizes of structures are left out."""
        from pycparser import c_ast

        if depth == 0:
            return UNKNOWN
        if isinstance(node, c_ast.PtrDecl):
            pointer = pointer_to(self.type_of(node.type, depth - 1, sized=False))
            return _qualified(pointer, node.quals)
        if isinstance(node, c_ast.ArrayDecl):
            length = _constant(node.dim)
            return array_of(self.type_of(node.type, depth - 1, sized=sized), length or 0)
        if isinstance(node, c_ast.FuncDecl):
            parameters, variadic = self._parameters(node)
            returns = self.type_of(node.type, depth - 1)
            return function_of(returns, [each.type for each in parameters], variadic=variadic)
        if isinstance(node, (c_ast.TypeDecl, c_ast.Typename)):
            return _qualified(self.type_of(node.type, depth - 1, sized=sized), node.quals)
        if isinstance(node, c_ast.IdentifierType):
            return self._named_type(" ".join(node.names), depth, sized)
        if isinstance(node, c_ast.Enum):
            return CType("uint", f"enum {node.name}" if node.name else "enum", 4)
        if isinstance(node, (c_ast.Struct, c_ast.Union)):
            word = "union" if isinstance(node, c_ast.Union) else "struct"
            layout = self._layout(word, node, depth) if sized else None
            name = f"{word} {node.name}" if node.name else word
            return CType("struct", name, layout.size if layout else 0)
        return UNKNOWN

    def _named_type(self, name: str, depth: int, sized: bool) -> CType:
        if name == "void":
            return CType("void", "void")
        plain = arithmetic(name)
        if plain is not None and name not in STANDARD_NAMES:
            return plain
        node = self.typedefs.get(name)
        if node is None:
            return plain or CType("unknown", name)
        type_ = self.type_of(node, depth - 1, sized=sized)
        if name in STANDARD_NAMES or type_.kind == "struct" or type_.spelling.startswith("enum"):
            return CType(type_.kind, name, type_.size, type_.target, type_.length)
        return type_

    def _layout(self, name: str, node: Any, depth: int) -> StructLayout | None:
        """The layout by the rules of the x86-64 ABI; None where something departs from them."""
        from pycparser import c_ast

        word = "union" if isinstance(node, c_ast.Union) else "struct"
        if node.decls is None:
            node = self._structs.get(f"{word} {node.name}", node)
        if node.decls is None or depth <= 0:
            return None
        if node.coord is not None and node.coord.line in self._special:
            return None
        members, at, size, widest = [], 0, 0, 1
        for each in node.decls:
            if not isinstance(each, c_ast.Decl):
                continue
            if each.bitsize is not None:
                return None
            type_ = self.type_of(each.type, depth - 1)
            alignment = self._alignment(type_, each.type, depth - 1)
            if alignment == 0:
                return None
            widest = max(widest, alignment)
            start = 0 if word == "union" else -(-at // alignment) * alignment
            members.append(Member(each.name or "", type_, start))
            at = start + type_.size
            size = max(size, at)
        return StructLayout(name, -(-size // widest) * widest, members, word == "union")

    def _alignment(self, type_: CType, node: Any, depth: int) -> int:
        """Bytes; 0 where it is not known."""
        while type_.kind == "array" and type_.target is not None:
            type_ = type_.target
        if type_.kind == "struct":
            layout = self._struct_layout(type_, depth)
            if layout is None:
                inner = _innermost(node)
                layout = self._layout("", inner, depth) if hasattr(inner, "decls") else None
            if layout is None:
                return 0
            return max(
                (self._alignment(each.type, None, depth - 1) for each in layout.members), default=1
            )
        if type_.kind == "complex":
            return type_.size // 2
        return type_.size

    def _struct_layout(self, type_: CType, depth: int = 8) -> StructLayout | None:
        name = bare(type_.spelling)
        node = self._structs.get(name)
        for _ in range(8):
            if node is None or hasattr(node, "decls"):
                break
            # A typedef of a typedef.
            names = getattr(node, "names", None)
            node = self._structs.get(" ".join(names)) if names else None
        return self._layout(name, node, depth) if hasattr(node, "decls") else None

    def _add_layout(self, type_: CType, found: dict[str, StructLayout], depth: int) -> None:
        while type_.kind in ("pointer", "array") and type_.target is not None:
            type_ = type_.target
        if type_.kind != "struct" or depth == 0:
            return
        layout = self._struct_layout(type_)
        if layout is None or layout.name in found:
            return
        found[layout.name] = layout
        for member in layout.members:
            self._add_layout(member.type, found, depth - 1)


def _walk(node: Any) -> Any:
    yield node
    for _, child in node.children():
        yield from _walk(child)


def _innermost(node: Any) -> Any:
    while node is not None and not hasattr(node, "decls") and hasattr(node, "type"):
        node = node.type
    return node


def _qualified(type_: CType, qualifiers: list[str] | None) -> CType:
    for qualifier in qualifiers or []:
        type_ = qualified(type_, qualifier)
    return type_


def _constant(node: Any) -> int | None:
    """A whole number that is written as one, or as a product or sum of such."""
    from pycparser import c_ast

    if isinstance(node, c_ast.Constant):
        digits = node.value.rstrip("uUlL")
        try:
            return int(digits, 0)
        except ValueError:
            return None
    if isinstance(node, c_ast.BinaryOp) and node.op in "*+-":
        left, right = _constant(node.left), _constant(node.right)
        if left is None or right is None:
            return None
        return {"*": left * right, "+": left + right, "-": left - right}[str(node.op)]
    return None
