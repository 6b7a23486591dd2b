"""Compares what a binding module declares of a library's functions with their true prototypes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from interprobe.binding_values import (
    Bindings,
    Declaration,
    LibraryValue,
    Listed,
    TypeValue,
    as_argument,
    result_type,
)
from interprobe.callee_prototypes import CalleePrototypes
from interprobe.declared_types import class_name, simple_type
from interprobe.exported_functions import LibraryCheck
from interprobe.findings import Cost, Finding, Fix, Severity, Site
from interprobe.prototype_code import assignments, struct_code
from interprobe.prototype_differences import (
    Difference,
    argument_difference,
    layout_differences,
    result_difference,
)
from interprobe.prototypes import CType, Prototype, bare


def compare(
    library: str, known: CalleePrototypes, bindings: Bindings, file: str, lines: Sequence[str]
) -> LibraryCheck:
    """Compare a binding module with a library.

    Args:
        library: Path of the shared object.
        known: Where the true prototypes come from.
        bindings: What the module declares and calls.
        file: Its path.
        lines: Its text.
    """
    return _Comparison(library, known, bindings, file, lines).result


class _Comparison:
    def __init__(
        self,
        library: str,
        known: CalleePrototypes,
        bindings: Bindings,
        file: str,
        lines: Sequence[str],
    ) -> None:
        self.result = LibraryCheck(notes=list(bindings.notes))
        self._library = library
        self._known = known
        self._bindings = bindings
        self._file = file
        self._lines = lines
        self._exports = known.exports(library)
        self._layouts_compared: set[str] = set()
        self._classes: dict[str, str] = {}
        """The class that stands for a structure of C, by the latter's name."""
        self._prototypes: dict[str, Prototype] = {}
        self._collect()
        for name, declarations in self._by_function().items():
            self._function(name, declarations)
        self._uses()
        self.result.notes.sort(key=lambda note: note[0] or 0)
        self.result.findings.sort(key=lambda finding: finding.user_site.line)

    def _collect(self) -> None:
        """Look up the prototypes, and which class stands for which structure."""
        for declaration in self._bindings.declarations:
            name = declaration.function
            prototype = self._known.of(self._library, name) if name in self._exports else None
            if prototype is None:
                continue
            self._prototypes[name] = prototype
            if declaration.aspect == "argtypes" and isinstance(declaration.value, Listed):
                for value, parameter in zip(declaration.value, prototype.parameters, strict=False):
                    self._match_class(value, parameter.type)
            elif declaration.aspect == "restype":
                self._match_class(declaration.value, prototype.returns)
        self.result.classes = self._classes

    def _match_class(self, value: Any, true: CType) -> None:
        ours = value.types[0] if isinstance(value, TypeValue) else None
        while ours is not None and ours.kind == true.kind == "pointer":
            ours, true = ours.target, true.target or true
        if ours is not None and ours.kind == true.kind == "struct":
            self._classes.setdefault(class_name(true), bare(ours.spelling))

    def _by_function(self) -> dict[str, list[Declaration]]:
        groups: dict[str, list[Declaration]] = {}
        for declaration in self._bindings.declarations:
            if not self._is_of_library(declaration.library, declaration.function):
                continue
            if declaration.function in self._exports:
                groups.setdefault(declaration.function, []).append(declaration)
            elif declaration.library is not None or declaration.aspect == "cdef":
                self._note(
                    declaration.line,
                    f"{declaration.function} is declared, and {_base(self._library)} does not "
                    "export it",
                )
        return groups

    def _is_of_library(self, value: LibraryValue | None, function: str) -> bool:
        if value is None or value.file is None:
            return True
        return _stem(value.file) == _stem(self._library)

    def _note(self, line: int | None, sentence: str) -> None:
        if (line, sentence) not in self.result.notes:
            self.result.notes.append((line, sentence))

    def _function(self, name: str, declarations: list[Declaration]) -> None:
        prototype = self._prototypes.get(name)
        if prototype is None:
            self.result.unknown.append(name)
            return
        aspects = {declaration.aspect for declaration in declarations}
        self.result.compared.append(name)
        by_line: dict[tuple[int, int], list[tuple[Difference, str]]] = {}
        for declaration in declarations:
            compared = {
                "argtypes": self._argtypes,
                "restype": self._restype,
                "cdef": self._cdef,
            }[declaration.aspect](declaration, prototype)
            by_line.setdefault((declaration.line, declaration.end_line), []).extend(compared)
        if "argtypes" in aspects and not aspects & {"restype", "cdef"}:
            missing = self._default_result(prototype)
            if missing is not None and (read := self._is_read(name)) is not True:
                # Nothing is lost of a result that is thrown away.
                least = Severity.NOTE if read is False else Severity.WARNING
                missing = (replace(missing[0], severity=least), missing[1])
            if missing is not None:
                first = next(each for each in declarations if each.aspect == "argtypes")
                by_line.setdefault((first.line, first.end_line), []).append(missing)
        if "restype" in aspects and not aspects & {"argtypes", "cdef"} and prototype.parameters:
            self.result.undeclared.append(prototype)
            self.result.half_declared.add(name)
        for place, found in by_line.items():
            if found:
                self._mismatch(prototype, place, list(found), is_cdef="cdef" in aspects)

    def _is_read(self, name: str) -> bool | None:
        """Whether the bindings use the result of a function; None where they never call it."""
        uses = [use.is_read for use in self._bindings.uses if use.function == name]
        return any(uses) if uses else None

    def _argtypes(
        self, declaration: Declaration, prototype: Prototype
    ) -> Iterator[tuple[Difference, str]]:
        value = declaration.value
        if value is None:
            return
        if not isinstance(value, Listed):
            self._note(declaration.line, f"the argtypes of {prototype.name} are not listed here")
            return
        declared: list[tuple[CType, ...] | None] = []
        for position, each in enumerate(value):
            types = each.types if isinstance(each, TypeValue) else None
            if types is None:
                self._note(
                    declaration.line,
                    f"the type of argument {position + 1} of {prototype.name} is not one that can "
                    "be told from the source",
                )
            declared.append(types and tuple(as_argument(type_) for type_ in types))
        texts = [each.text if isinstance(each, TypeValue) else "?" for each in value]
        yield from self._parameters(declared, texts, prototype)

    def _parameters(
        self,
        declared: Sequence[tuple[CType, ...] | None],
        texts: Sequence[str],
        prototype: Prototype,
    ) -> Iterator[tuple[Difference, str]]:
        taken = len(prototype.parameters)
        if len(declared) != taken and not (prototype.variadic and len(declared) > taken):
            few = len(declared) < taken
            yield (
                Difference(
                    Severity.ERROR if few else Severity.WARNING,
                    "for those that are missing C reads whatever was left in a register"
                    if few
                    else "C never reads those that are too many",
                ),
                f"{prototype.name} takes {taken} arguments, and {len(declared)} are declared",
            )
        for position, (types, parameter) in enumerate(
            zip(declared, prototype.parameters, strict=False)
        ):
            difference = _of_all(types, parameter.type, argument_difference)
            name = f" ({parameter.name})" if parameter.name else ""
            if difference is not None:
                yield (
                    difference,
                    f"argument {position + 1}{name} is `{parameter.type.spelling}`, and is "
                    f"declared as {texts[position]}",
                )
            for type_ in types or ():
                self._structure(type_, parameter.type, prototype)

    def _restype(
        self, declaration: Declaration, prototype: Prototype
    ) -> Iterator[tuple[Difference, str]]:
        types = result_type(declaration.value)
        if types is None:
            self._note(
                declaration.line,
                f"the restype of {prototype.name} is not one that can be told from the source",
            )
            return
        difference = _of_all(types, prototype.returns, result_difference)
        text = declaration.value.text if isinstance(declaration.value, TypeValue) else "a callable"
        if difference is not None:
            yield (
                difference,
                f"it returns `{prototype.returns.spelling}`, and is declared to return {text}",
            )
        for type_ in types:
            self._structure(type_, prototype.returns, prototype)

    def _cdef(
        self, declaration: Declaration, prototype: Prototype
    ) -> Iterator[tuple[Difference, str]]:
        declared: Prototype = declaration.value
        types = [(each.type,) for each in declared.parameters]
        texts = [f"`{each.type.spelling}`" for each in declared.parameters]
        yield from self._parameters(types, texts, prototype)
        difference = result_difference(declared.returns, prototype.returns)
        if difference is not None:
            yield (
                difference,
                f"it returns `{prototype.returns.spelling}`, and is declared to return "
                f"`{declared.returns.spelling}`",
            )

    def _default_result(self, prototype: Prototype) -> tuple[Difference, str] | None:
        """What goes wrong where no restype is declared, and ctypes reads an int."""
        plain = simple_type("c_int")
        if plain is None or prototype.returns.kind == "void":
            return None
        difference = result_difference(plain, prototype.returns)
        if difference is None:
            return None
        return (
            difference,
            f"it returns `{prototype.returns.spelling}`, and no restype is declared, so that "
            "ctypes reads an int",
        )

    def _structure(self, ours: CType, theirs: CType, prototype: Prototype) -> None:
        """Compare the layouts of the structures that two types lead to, once."""
        while ours.kind == theirs.kind == "pointer" and ours.target and theirs.target:
            ours, theirs = ours.target, theirs.target
        if not ours.kind == theirs.kind == "struct":
            return
        name = bare(ours.spelling)
        layout, true = self._bindings.layouts.get(name), prototype.layout_of(theirs)
        if layout is None or true is None or name in self._layouts_compared:
            return
        self._layouts_compared.add(name)
        differences = layout_differences(layout, true)
        if differences:
            told = "; ".join(each.text for each in differences)
            code = struct_code(
                true, {**self._classes, class_name(theirs): name}, self._bindings.module
            )
            self._add(
                name,
                self._bindings.structure_lines[name],
                Severity.ERROR,
                f"{name} stands for `{true.name}` of {prototype.name}: {told}.",
                Fix(f"Declare the members of `{true.name}`.", code),
            )

    def _mismatch(
        self,
        prototype: Prototype,
        place: tuple[int, int],
        found: list[tuple[Difference, str]],
        *,
        is_cdef: bool,
    ) -> None:
        severity = min((each.severity for each, _ in found), key=lambda each: each.rank)
        cause = "\n".join(
            f"{_sentence(subject, prototype.name)}: {difference.text}."
            for difference, subject in found
        )
        fix = Fix(
            f"The function is `{prototype.declaration}`.", self._code(prototype, is_cdef=is_cdef)
        )
        self._add(prototype.name, place, severity, cause, fix)

    def _code(self, prototype: Prototype, *, is_cdef: bool = False) -> str:
        if is_cdef:
            return f'ffi.cdef("{prototype.declaration};")'
        return assignments(
            f"lib.{prototype.name}",
            prototype,
            classes=self._classes,
            module=self._bindings.module,
        )

    def _add(
        self, subject: str, place: tuple[int, int], severity: Severity, cause: str, fix: Fix
    ) -> None:
        line, end_line = place
        source = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        last = self._lines[end_line - 1] if 0 < end_line <= len(self._lines) else source
        site = Site(
            file=self._file,
            line=line,
            column=len(source) - len(source.lstrip()),
            end_line=end_line,
            end_column=len(last.rstrip().encode()),
            expression=source.strip(),
            source=source,
        )
        is_missing = "no restype" in cause or "without any declaration" in cause
        self.result.findings.append(
            Finding(
                rule="IP304" if is_missing else "IP305",
                name="missing-prototype" if is_missing else "prototype-mismatch",
                severity=severity,
                user_site=site,
                site=site,
                subject=subject,
                cause=cause,
                evidence="",
                records=[],
                cost=Cost(seconds=0.0, bytes=0, share=0.0),
                fix=fix,
            )
        )

    def _uses(self) -> None:
        """Functions that are called and never declared."""
        declared = {each.function for each in self._bindings.declarations}
        seen: set[str] = set()
        for use in self._bindings.uses:
            name = use.function
            if name in declared or name in seen or name not in self._exports:
                continue
            if not self._is_of_library(use.library, name):
                continue
            prototype = self._known.of(self._library, name)
            seen.add(name)
            if prototype is None:
                self.result.unknown.append(name)
                continue
            self.result.undeclared.append(prototype)
            default = self._default_result(prototype) if use.is_read else None
            if default is None:
                self._note(use.line, f"{name} is called, and neither argtypes nor restype declared")
                continue
            difference, _ = default
            self._add(
                name,
                (use.line, use.line),
                difference.severity,
                f"{name} is called without any declaration, so that ctypes reads an int, and it "
                f"returns `{prototype.returns.spelling}`: {difference.text}.",
                Fix(f"The function is `{prototype.declaration}`.", self._code(prototype)),
            )


def _of_all(types: tuple[CType, ...] | None, true: CType, compare_types: Any) -> Difference | None:
    """The difference that remains whichever of several types the program chooses."""
    differences: list[Difference | None] = [compare_types(each, true) for each in types or ()]
    return None if not differences or None in differences else differences[0]


def _stem(path: str) -> str:
    """``libfit.so.2``, ``fit.so`` and ``libfit`` are one library."""
    return re.split(r"\.(?:so|dylib|dll|cpython)\b", _base(path).removeprefix("lib"))[0]


def _base(path: str) -> str:
    return os.path.basename(path)


def _sentence(text: str, function: str) -> str:
    """A text with a capital, unless it begins with the function's name."""
    return text if text.startswith(function) else f"{text[:1].upper()}{text[1:]}"
