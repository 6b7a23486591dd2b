"""Prototypes read from debug information and from headers: the same ones, and never a guess."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from interprobe import symbol_tables
from interprobe.callee_prototypes import CalleePrototypes
from interprobe.header_prototypes import HeaderError, read
from interprobe.prototypes import Prototype

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

DECLARATIONS = {
    "total": "double total(const double *restrict x, size_t n)",
    "shift": "void shift(float *x, int64_t n, float by)",
    "mean_of": "double mean_of(pack p, const pack *q, struct node *list)",
    "visit": "int visit(int (*f)(double, void *), void *context, const char *const *names)",
    "sweep": "void sweep(double (*m)[4], unsigned char flags, bool fast, enum mode how)",
    "named": "const char *named(int number)",
    "first": "struct node *first(void)",
    "say": "int say(const char *format, ...)",
    "turn": "double _Complex turn(double _Complex z, long double by)",
    "count": "unsigned long count(long a, unsigned int b, short c)",
}

HEADER = """
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <complex.h>
typedef double real;
enum mode { SLOW, FAST };
typedef struct { int id; real *data; float w[3]; struct inner { short s; } in; } pack;
struct node { struct node *next; int value; };
#ifdef __GNUC__
#define PURE __attribute__((nonnull(1), visibility("default")))
#else
#define PURE
#endif
PURE real total(const real *restrict x, size_t n);
void shift(float x[], int64_t n, float by);
real mean_of(pack p, const pack *q, struct node *list);
int visit(int f(double, void *), void *context, const char *const *names);
void sweep(real m[3][4], unsigned char flags, bool fast, enum mode how);
const char *named(int number);
struct node *first(void);
int say(const char *format, ...);
double complex turn(double complex z, long double by);
unsigned long count(long a, unsigned b, short c);
static inline int hidden(int a) { if (a) { return 1; } return 0; }
"""

SOURCE = """
#include "kernels.h"
real total(const real *restrict x, size_t n) { real s = 0; while (n--) s += x[n]; return s; }
void shift(float x[], int64_t n, float by) { while (n--) x[n] += by; }
real mean_of(pack p, const pack *q, struct node *list) { return p.id + q->id + list->value; }
int visit(int f(double, void *), void *context, const char *const *names) { return f(1, context); }
void sweep(real m[3][4], unsigned char flags, bool fast, enum mode how) { m[0][0] = flags; }
const char *named(int number) { return number ? "one" : "none"; }
struct node *first(void) { return 0; }
int say(const char *format, ...) { return format[0]; }
double complex turn(double complex z, long double by) { return z * (double)by; }
unsigned long count(long a, unsigned b, short c) { return hidden((int)a) + b + c; }
"""


def build(folder: Path, *flags: str, name: str = "libkernels.so") -> str:
    """Compile the kernels; returns the library's path."""
    (folder / "kernels.h").write_text(HEADER)
    (folder / "kernels.c").write_text(SOURCE)
    command = ["cc", "-shared", "-fPIC", *flags, "-o", name, "kernels.c"]
    subprocess.run(command, cwd=folder, check=True)
    return str(folder / name)


def all_of(library: str, *headers: str) -> dict[str, Prototype | None]:
    with CalleePrototypes(headers) as known:
        return {name: known.of(library, name) for name in DECLARATIONS}


def declarations(found: dict[str, Prototype | None]) -> dict[str, str | None]:
    return {name: each.declaration if each is not None else None for name, each in found.items()}


@pytest.mark.parametrize(
    "flags",
    [
        ("-gdwarf-4", "-O0"),
        ("-gdwarf-4", "-O2"),
        ("-gdwarf-5", "-O2"),
        ("-g", "-O3", "-flto"),
        ("-g", "-O2", "-ffunction-sections"),
        ("-g", "-gz"),
    ],
    ids=" ".join,
)
def test_debug_information_tells_the_prototypes_as_c_spells_them(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    assert declarations(all_of(build(tmp_path, *flags))) == DECLARATIONS


def test_a_header_tells_the_same_prototypes(tmp_path: Path) -> None:
    library = build(tmp_path)
    assert declarations(all_of(library)) == dict.fromkeys(DECLARATIONS)
    found = all_of(library, str(tmp_path / "kernels.h"))
    assert declarations(found) == DECLARATIONS
    assert {each.source for each in found.values() if each} == {str(tmp_path / "kernels.h")}


@pytest.mark.parametrize("from_header", [False, True])
def test_structures_have_the_layout_that_the_compiler_gave_them(
    from_header: bool, tmp_path: Path
) -> None:
    library = build(tmp_path, *([] if from_header else ["-g"]))
    headers = [str(tmp_path / "kernels.h")] if from_header else []
    prototype = all_of(library, *headers)["mean_of"]
    assert prototype is not None
    pack = prototype.layout_of(prototype.parameters[0].type)
    assert pack is not None
    assert pack.size == 32
    assert [(member.name, member.offset, member.type.size) for member in pack.members] == [
        ("id", 0, 4),
        ("data", 8, 8),
        ("w", 16, 12),
        ("in", 28, 2),
    ]
    target = prototype.parameters[2].type.target
    assert target is not None
    node = prototype.layout_of(target)
    assert node is not None
    assert [member.type.spelling for member in node.members] == ["struct node *", "int"]


@pytest.mark.parametrize("flags", [("-g1",), ("-g", "-s"), ()])
def test_without_types_nothing_is_guessed(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert declarations(all_of(build(tmp_path, *flags))) == dict.fromkeys(DECLARATIONS)


@pytest.mark.skipif(shutil.which("objcopy") is None, reason="needs binutils")
def test_a_separate_debug_file_is_found_and_one_of_another_build_is_not(tmp_path: Path) -> None:
    library = build(tmp_path, "-g", "-O2", "-Wl,--build-id=none")

    def separate() -> None:
        for words in (
            ["objcopy", "--only-keep-debug", library, f"{library}.debug"],
            ["objcopy", "--strip-debug", f"--add-gnu-debuglink={library}.debug", library],
        ):
            subprocess.run(words, check=True)

    separate()
    assert symbol_tables.read(library).has_lines is False
    assert declarations(all_of(library)) == DECLARATIONS
    with open(f"{library}.debug", "ab") as debug:
        debug.write(b"another build")
    assert declarations(all_of(library)) == dict.fromkeys(DECLARATIONS)


def test_a_pointer_into_a_static_function_gets_its_own_prototype(tmp_path: Path) -> None:
    (tmp_path / "s.c").write_text(
        "static double half(double x) { return x / 2; }\n"
        "double (*give(void))(double) { return half; }\n"
    )
    library = str(tmp_path / "s.so")
    subprocess.run(
        ["cc", "-g", "-shared", "-fPIC", "-o", library, str(tmp_path / "s.c")], check=True
    )
    address = next(
        start for start, _, name in symbol_tables.read(library).functions if name == "half"
    )
    with CalleePrototypes() as known:
        found = known.of(library, "give", address)
        assert found is not None
        assert [each.type.spelling for each in found.parameters] == ["double"]
        assert known.of(library, "give", address + 1) is None
        assert "half" not in known.exports(library)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_functions_of_cpp_with_c_linkage_are_read(tmp_path: Path) -> None:
    (tmp_path / "k.cpp").write_text(
        '#include <cstdint>\nnamespace inner { extern "C" double f(const double &x, '
        "std::uint32_t n, bool fast) { return fast ? x * n : 0; } }\n"
    )
    library = str(tmp_path / "k.so")
    words = ["g++", "-g", "-O2", "-shared", "-fPIC", "-o", library, str(tmp_path / "k.cpp")]
    subprocess.run(words, check=True)
    with CalleePrototypes() as known:
        found = known.of(library, "f")
    assert found is not None
    assert found.declaration == "double f(const double *x, uint32_t n, bool fast)"


@pytest.mark.skipif(shutil.which("gfortran") is None, reason="needs gfortran")
@pytest.mark.parametrize("optimised", ["-O0", "-O2"])
def test_fortran_takes_addresses_unless_by_value(optimised: str, tmp_path: Path) -> None:
    (tmp_path / "k.f90").write_text(
        "subroutine axpy(n, a, x, y)\n integer, intent(in) :: n\n"
        " real(8), intent(in) :: a, x(n)\n real(8), intent(inout) :: y(*)\n"
        " y(1:n) = y(1:n) + a*x\nend subroutine\n"
        'function norm(x, n) bind(c, name="c_norm") result(r)\n use iso_c_binding\n'
        " integer(c_int), value :: n\n real(c_double) :: x(n), r\n r = sum(x)\nend function\n"
    )
    library = str(tmp_path / "k.so")
    words = [
        "gfortran",
        "-g",
        optimised,
        "-shared",
        "-fPIC",
        "-o",
        library,
        str(tmp_path / "k.f90"),
    ]
    subprocess.run(words, check=True, cwd=tmp_path)
    with CalleePrototypes() as known:
        axpy, norm = known.of(library, "axpy_"), known.of(library, "c_norm")
    assert axpy is not None
    assert norm is not None
    assert axpy.declaration == "void axpy_(int32_t *n, double *a, double *x, double *y)"
    assert norm.declaration == "double c_norm(double *x, int32_t n)"


@pytest.mark.parametrize(
    ("header", "function", "declaration"),
    [
        ("math.h", "pow", "double pow(double {}, double {})"),
        (
            "string.h",
            "memcpy",
            "void *memcpy(void *restrict {}, const void *restrict {}, size_t {})",
        ),
        ("stdlib.h", "abs", "int abs(int {})"),
    ],
)
def test_the_systems_own_headers_are_read(header: str, function: str, declaration: str) -> None:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"no {path}")
    found = read(str(path))[function]
    names = [each.name or "" for each in found.parameters]
    assert found.declaration == declaration.format(*names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#error no\n", "cannot be preprocessed"),
        ("#define LIMIT 3\n", "declares no function"),
        ('#include "missing.h"\nint f(void);\n', "missing.h"),
    ],
)
def test_a_header_that_cannot_be_read_is_one_sentence(
    text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.h").write_text(text)
    with pytest.raises(HeaderError) as error:
        read(str(tmp_path / "bad.h"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_c_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "odd.h").write_text("int f(int);\nint @ g;\ndouble h(double);\n")
    assert set(read(str(tmp_path / "odd.h"))) == {"f", "h"}


def test_packed_structures_of_a_header_have_no_layout(tmp_path: Path) -> None:
    (tmp_path / "p.h").write_text(
        "struct __attribute__((packed)) tight { char a; double b; };\nvoid f(struct tight *t);\n"
    )
    assert read(str(tmp_path / "p.h"))["f"].structs == []
