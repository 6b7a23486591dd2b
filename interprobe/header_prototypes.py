"""Reads C prototypes from a header, as the system's C compiler preprocesses it."""

from __future__ import annotations

import re
import shutil
import subprocess
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
    function_of,
    pointer_to,
    qualified,
)


class HeaderError(Exception):
    """A header cannot be read; the message is one sentence for the user."""


# What GNU's dialect adds to C, told to the preprocessor in the words of C.
_DIALECT = [
    *("__extension__=", "__restrict=restrict", "__restrict__=restrict", "__inline=inline"),
    *("__inline__=inline", "__const=const", "__volatile__=volatile", "__volatile=volatile"),
    *("__signed__=signed", "__signed=signed", "_Noreturn=", "__asm__(...)=", "__asm(...)="),
    *("__builtin_va_list=void*", "__typeof__(...)=int", "_Float16=short", "_Float32=float"),
    *("_Float64=double", "_Float32x=double", "_Float64x=long double", "_Float128=long double"),
    *("__float128=long double", "__int128=long", "__complex__=_Complex", "_Nonnull=", "_Nullable="),
    *("_Atomic=", "__alignof__(...)=1", "__builtin_offsetof(...)=0"),
]
_LONGEST_SECONDS = 30
_MOST_MISFITS = 60
"""Declarations that are left out because they are no standard C."""


def read(path: str) -> dict[str, Prototype]:
    """The prototypes of all functions that a header declares, and of those that it includes.

    Args:
        path: The header.

    Returns:
        Prototypes by the function's name.

    Raises:
        HeaderError: There is no C compiler, or the header cannot be preprocessed or parsed.
    """
    text = _preprocessed(path)
    from pycparser import c_ast

    declarations = _declarations(text)
    unit, misfits = _parsed([_without_attributes(each) for each in declarations], path)
    # Packed and specially aligned structures lie otherwise than their members tell.
    special = {
        line for line, each in enumerate(declarations, 1) if re.search(r"packed|aligned", each)
    }
    reader = _Reader(path, special)
    found: dict[str, Prototype] = {}
    for node in unit.ext:
        if isinstance(node, c_ast.Typedef):
            reader.typedefs[node.name] = node.type
        reader.note_structs(node)
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            found[node.name] = reader.prototype(node.name, node.type)
    if not found:
        reason = "most of it is no C" if misfits else "there are only macros, types or nothing"
        raise HeaderError(f"{path!r} declares no function: {reason}")
    return found


_CDEF_TYPES = " ".join(
    f"typedef {written} {name};"
    for name, written in {
        "size_t": "unsigned long",
        "ssize_t": "long",
        "ptrdiff_t": "long",
        "intptr_t": "long",
        "uintptr_t": "unsigned long",
        "wchar_t": "int",
        "bool": "_Bool",
        "int8_t": "signed char",
        "uint8_t": "unsigned char",
        "int16_t": "short",
        "uint16_t": "unsigned short",
        "int32_t": "int",
        "uint32_t": "unsigned int",
        "int64_t": "long",
        "uint64_t": "unsigned long",
    }.items()
)
"""What cffi knows without a declaration."""


def read_text(text: str, name: str) -> dict[str, tuple[Prototype, int]]:
    """The prototypes in C's words that need no preprocessor, as a ``cdef`` of cffi is.

    Args:
        text: The declarations.
        name: What to call them in an error.

    Returns:
        Prototypes, each with its line in the text from 0, by the function's name.

    Raises:
        HeaderError: They cannot be parsed.
    """
    from pycparser import c_ast

    plain = re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)
    plain = re.sub(
        r"/\*.*?\*/|//[^\n]*", lambda found: "\n" * found[0].count("\n"), plain, flags=re.DOTALL
    )
    # Members and values that cffi leaves to the compiler.
    plain = re.sub(r"(?<![,\w]\s)(?<![,(])\.\.\.\s*;", ";", plain)
    unit, _ = _parsed([_CDEF_TYPES, *plain.split("\n")], name, whole=True)
    reader, found = _Reader(name, set()), {}
    for node in unit.ext:
        if isinstance(node, c_ast.Typedef):
            reader.typedefs[node.name] = node.type
        reader.note_structs(node)
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            line = node.coord.line - 2 if node.coord is not None else 0
            found[node.name] = (reader.prototype(node.name, node.type), line)
    return found


def _preprocessed(path: str) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise HeaderError(f"{path!r} cannot be read without a C compiler: install one (gcc)")
    command = [compiler, "-E", "-P", "-x", "c", *(f"-D{each}" for each in _DIALECT), path]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HeaderError(f"{path!r} cannot be preprocessed: {error}") from error
    if done.returncode != 0:
        complaints = done.stderr.decode("utf-8", "replace").splitlines() or ["no reason given"]
        reason = next((line for line in complaints if "error" in line), complaints[0]).strip()
        raise HeaderError(f"{path!r} cannot be preprocessed: {reason}")
    return done.stdout.decode("utf-8", "replace")


_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{}();]|#[^\n]*|[^"\'{}();#]+')


def _declarations(text: str) -> list[str]:
    """The declarations at the top of a preprocessed file, a line each; bodies are left out."""
    found: list[str] = []
    current: list[str] = []
    braces = parentheses = 0
    in_body = False
    for token in _TOKEN.findall(text):
        if token.startswith("#"):
            continue
        if token == "{":
            if braces == 0 and parentheses == 0 and _begins_body("".join(current)):
                in_body = True
            braces += 1
        if not in_body:
            current.append(token)
        parentheses += (token == "(") - (token == ")")
        ends = token == ";"
        if token == "}":
            braces -= 1
            if in_body and braces == 0:
                in_body = False
                current.append(";")
                ends = True
        if ends and braces == 0 and parentheses == 0 and not in_body:
            found.append(" ".join("".join(current).split()))
            current = []
    return found


def _begins_body(before: str) -> bool:
    """Whether a brace behind this text opens a function's body, not a structure."""
    text = _without_attributes(" ".join(before.split())).rstrip()
    return text.endswith(")")


def _without_attributes(text: str) -> str:
    """A declaration without ``__attribute__((...))`` and ``[[...]]``."""
    text = re.sub(r"\[\[[^\]]*\]\]", "", text)
    while (match := re.search(r"\b(__attribute__|__attribute|__declspec)\s*\(", text)) is not None:
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
        text = text[: match.start()] + text[end:]
    return text


def _parsed(lines: list[str], path: str, *, whole: bool = False) -> tuple[Any, int]:
    """The syntax tree, and how many declarations were left out because they are no C.

    Raises:
        HeaderError: Too much of it is no C, or, where it is wanted ``whole``, anything.
    """
    from pycparser import CParser, c_parser

    error_type: Any = c_parser.ParseError
    lines = list(lines)
    for misfits in range(_MOST_MISFITS):
        try:
            return CParser().parse("\n".join(lines) + "\n", "header"), misfits
        except error_type as error:
            if whole:
                raise HeaderError(f"{str(error).removeprefix('header:')}") from error
            match = re.search(r"header:(\d+)", str(error))
            number = int(match[1]) - 1 if match else -1
            if not 0 <= number < len(lines) or not lines[number]:
                break
            lines[number] = ""
    raise HeaderError(f"{path!r} cannot be parsed as C")


class _Reader:
    """Turns pycparser's types into ours."""

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
        from interprobe.prototypes import bare

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
