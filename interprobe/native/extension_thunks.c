/* Makes the thunks, sixteen at a time: 0x000 to 0xFFF. */
#include "extension_thunks.h"

#define SIXTEEN(X, p)                                                                  \
    X(p##0) X(p##1) X(p##2) X(p##3) X(p##4) X(p##5) X(p##6) X(p##7)                    \
    X(p##8) X(p##9) X(p##A) X(p##B) X(p##C) X(p##D) X(p##E) X(p##F)
#define ROW(X, p)                                                                      \
    SIXTEEN(X, p##0) SIXTEEN(X, p##1) SIXTEEN(X, p##2) SIXTEEN(X, p##3)                \
    SIXTEEN(X, p##4) SIXTEEN(X, p##5) SIXTEEN(X, p##6) SIXTEEN(X, p##7)                \
    SIXTEEN(X, p##8) SIXTEEN(X, p##9) SIXTEEN(X, p##A) SIXTEEN(X, p##B)                \
    SIXTEEN(X, p##C) SIXTEEN(X, p##D) SIXTEEN(X, p##E) SIXTEEN(X, p##F)
#define ALL(X)                                                                         \
    ROW(X, 0x0) ROW(X, 0x1) ROW(X, 0x2) ROW(X, 0x3) ROW(X, 0x4) ROW(X, 0x5)            \
    ROW(X, 0x6) ROW(X, 0x7) ROW(X, 0x8) ROW(X, 0x9) ROW(X, 0xA) ROW(X, 0xB)            \
    ROW(X, 0xC) ROW(X, 0xD) ROW(X, 0xE) ROW(X, 0xF)

#define THUNK(n)                                                                       \
    static PyObject *thunk_##n(PyObject *self, void *a, void *b, void *c, void *d)     \
    {                                                                                  \
        return extension_call_through(self, a, b, c, d, n);                            \
    }
ALL(THUNK)

#define ADDRESS(n) (PyCFunction)(void (*)(void))thunk_##n,
const PyCFunction extension_thunks[EXTENSION_THUNKS] = {ALL(ADDRESS)};
