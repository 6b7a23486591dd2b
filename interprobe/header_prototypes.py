"""Reads C prototypes from a header, as the system's C compiler preprocesses it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

from interprobe.prototypes import Prototype
from interprobe.syntax_types import SyntaxTypes


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
    reader = SyntaxTypes(path, special)
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
    reader, found = SyntaxTypes(name, set()), {}
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
