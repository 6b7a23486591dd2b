/* Recognises conversions made inside np.require and np.copy by the code object that made them. */
#include "wrappers.h"

#include "ledger.h"
#include "numpy_api.h"

#include <string.h>

static PyCodeObject *code_of_require; /* strong, for the life of the process */
static PyCodeObject *code_of_copy;
static int requirements_index = -1; /* np.require's local variable of that name */

static PyCodeObject *
code_of_function(const char *name)
{
    PyObject *numpy = PyImport_ImportModule("numpy");
    PyObject *function = numpy == NULL ? NULL : PyObject_GetAttrString(numpy, name);
    Py_XDECREF(numpy);
    /* np.copy is wrapped for __array_function__: the Python code is behind it. */
    if (function != NULL && !PyFunction_Check(function)) {
        PyObject *inner = PyObject_GetAttrString(function, "_implementation");
        Py_DECREF(function);
        function = inner;
    }
    PyObject *code = NULL;
    if (function != NULL && PyFunction_Check(function)) {
        code = Py_NewRef(PyFunction_GET_CODE(function));
    }
    Py_XDECREF(function);
    PyErr_Clear();
    return (PyCodeObject *)code;
}

void
wrappers_initialise(void)
{
    if (code_of_copy == NULL) {
        code_of_copy = code_of_function("copy");
    }
    if (code_of_require != NULL || (code_of_require = code_of_function("require")) == NULL) {
        return;
    }
    PyObject *names = PyCode_GetVarnames(code_of_require);
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "requirements") == 0) {
            requirements_index = (int)i;
        }
    }
    Py_XDECREF(names);
    PyErr_Clear();
}

static bool
asks_for(PyObject *requirements, const char *letter)
{
    PyObject *key = PyUnicode_InternFromString(letter);
    int held = key == NULL ? 0 : PySet_Contains(requirements, key);
    Py_XDECREF(key);
    if (key == NULL || held < 0) {
        PyErr_Clear();
    }
    return held == 1;
}

void
wrappers_refine(const position *at, const layout *source, const char **mechanism, unsigned *unmet,
                bool *asked_for)
{
    if (at->code == NULL) {
        return;
    }
    if (at->code == code_of_copy) {
        *mechanism = "numpy.copy";
        return;
    }
    if (at->code != code_of_require) {
        return;
    }
    bool by_copy = strcmp(*mechanism, "ndarray.copy") == 0;
    *mechanism = "numpy.require";
    *asked_for = false;
    PyObject *requirements = frames_local(at, requirements_index);
    if (!by_copy || requirements == NULL || !PyAnySet_Check(requirements)) {
        return;
    }
    if (!source->aligned && asks_for(requirements, "A")) {
        *unmet |= UNMET_ALIGNED;
    }
    if (!source->writeable && asks_for(requirements, "W")) {
        *unmet |= UNMET_WRITEABLE;
    }
    if (*unmet == 0 && asks_for(requirements, "O")) {
        *unmet |= UNMET_OWNDATA; /* require copies for the first flag not met: nothing else is left */
    }
}
