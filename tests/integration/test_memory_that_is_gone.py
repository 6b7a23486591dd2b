"""Memory that was taken away is never read: a recorded program ends as it would alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plain_and_probed import interprobe, run

PROTECTED_BY_THE_CALL = """
import ctypes, numpy as np
libc = ctypes.CDLL(None)
array = np.zeros(1 << 20, np.uint8)
page = (array.ctypes.data + 4095) & ~4095
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
print(libc.mprotect(page, 8192, 0), libc.mprotect(page, 8192, 3))
"""

RESIZED_UNDER_A_VIEW = """
import ctypes, numpy as np
base = np.zeros(1 << 20)
view = base[10:900000]
function = ctypes.CDLL(None).getpid
function.argtypes = [np.ctypeslib.ndpointer(np.float64)]
def check(result, callee, arguments):
    base.resize(10, refcheck=False)
    return 0
function.errcheck = check
print(function(view))
"""

RESIZED_IN_A_CALLBACK = """
import ctypes, numpy as np
libc = ctypes.CDLL(None)
large, small, whole = np.zeros(1 << 20), np.zeros(4), np.arange(1000)
made = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def compare(x, y):
    if large.size > 10:
        large.resize(10, refcheck=False)
    np.asarray(whole, dtype=np.float32)
    return 0
compare = made(compare)
for _ in range(2):
    print(libc.bsearch(np.ctypeslib.as_ctypes(small), small.ctypes.data_as(ctypes.c_void_p),
          ctypes.c_size_t(4), ctypes.c_size_t(8), compare, large.ctypes) != 0)
"""

SHRUNK_AFTER_A_CONVERSION = """
import ctypes, numpy as np
libc = ctypes.CDLL(None)
large, small = np.zeros(1 << 20), np.zeros(4)
made = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def compare(x, y):
    if large.size > 1000:
        converted = np.asarray(large, dtype=np.float32)
        converted[:] = 5
        del converted
        large.resize(1000, refcheck=False)
    return 0
compare = made(compare)
pointer = small.ctypes.data_as(ctypes.c_void_p)
libc.bsearch(pointer, pointer, ctypes.c_size_t(4), ctypes.c_size_t(8), compare, large.ctypes)
print(large.size)
"""

UNREADABLE_INTEGERS_BESIDE_STRIDES = """
import ctypes, mmap, numpy as np
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 8192)
raw = np.frombuffer(memory, np.uint8)
integers = raw[:32].view(np.int64)
strided = raw[4096:].view(np.float64)[::2][:100]
libc.mprotect(ctypes.c_void_p(raw.ctypes.data), ctypes.c_size_t(8192), 0)
print(libc.getpid(strided.ctypes, 100, integers.ctypes) > 0)
"""

WRAPPED_AND_NEVER_THERE = """
import ctypes, numpy as np
address = 0x10000000010
letters = np.frombuffer((ctypes.c_char * 1000).from_address(address), dtype=np.uint8)
pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_double))
numbers = np.ctypeslib.as_array(pointer, shape=(5,))
print(letters.shape, numbers.shape)
"""

PROGRAMS = {
    name.lower(): text
    for name, text in list(globals().items())
    if isinstance(text, str) and "np." in text
}


@pytest.mark.parametrize("option", [[], ["--contracts=full"], ["--guard"]], ids=" ".join)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_ends_as_it_would_alone(name: str, option: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS[name])
    plain = run([sys.executable, "program.py"], tmp_path)
    assert plain.status == 0
    recorded = run(interprobe("run", *option, "program.py"), tmp_path)
    assert (recorded.status, recorded.stdout) == (0, plain.stdout), recorded.stderr.decode()
