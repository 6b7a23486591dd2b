/* Proves, before anything of the program is patched, that thunks pass every calling convention on. */
#include "extension_functions.h"

#include <string.h>

static PyObject *
take_none(PyObject *self, PyObject *nothing)
{
    return Py_BuildValue("(Oi)", self, nothing == NULL);
}

static PyObject *
take_one(PyObject *self, PyObject *one)
{
    return Py_BuildValue("(OO)", self, one);
}

static PyObject *
take_tuple(PyObject *self, PyObject *args)
{
    return Py_BuildValue("(OO)", self, args);
}

static PyObject *
take_keywords(PyObject *self, PyObject *args, PyObject *keywords)
{
    return Py_BuildValue("(OOO)", self, args, keywords == NULL ? Py_None : keywords);
}

static PyObject *
take_fast(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return Py_BuildValue("(OnO)", self, count, count > 1 ? args[1] : Py_None);
}

static PyObject *
take_fast_keywords(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return Py_BuildValue("(OnOO)", self, count, names == NULL ? Py_None : args[count],
                         names == NULL ? Py_None : names);
}

#define FUNCTION(name) (PyCFunction)(void (*)(void))name
static PyMethodDef examples[] = {
    {"take_none", take_none, METH_NOARGS, NULL},
    {"take_one", take_one, METH_O, NULL},
    {"take_tuple", take_tuple, METH_VARARGS, NULL},
    {"take_keywords", FUNCTION(take_keywords), METH_VARARGS | METH_KEYWORDS, NULL},
    {"take_fast", FUNCTION(take_fast), METH_FASTCALL, NULL},
    {"take_fast_keywords", FUNCTION(take_fast_keywords), METH_FASTCALL | METH_KEYWORDS, NULL},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

static PyObject *
call(PyObject *function, int flags)
{
    if (flags & METH_NOARGS) {
        return PyObject_CallNoArgs(function);
    }
    if (flags & METH_O) {
        return PyObject_CallFunction(function, "s", "one");
    }
    PyObject *args = Py_BuildValue("(si)", "one", 2);
    PyObject *keywords = flags & METH_KEYWORDS ? Py_BuildValue("{s:i}", "three", 3) : NULL;
    PyObject *result = args == NULL ? NULL : PyObject_Call(function, args, keywords);
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    return result;
}

/* Whether a builtin gives the same answer, hash and equality when it is patched. */
static bool
survives_patching(PyMethodDef *example)
{
    PyObject *self = PyUnicode_FromString("self");
    PyObject *function = self == NULL ? NULL : PyCFunction_New(example, self);
    PyObject *plain = function == NULL ? NULL : call(function, example->ml_flags);
    Py_hash_t hash = function == NULL ? -1 : PyObject_Hash(function);
    PyObject *probed = NULL;
    bool same = false;
    if (plain != NULL) {
        PyCFunction original = example->ml_meth;
        extension_definition_try(example, function);
        same = example->ml_meth != original && PyObject_Hash(function) == hash;
        probed = call(function, example->ml_flags);
    }
    same = same && probed != NULL && PyObject_RichCompareBool(plain, probed, Py_EQ) == 1;
    Py_XDECREF(probed);
    Py_XDECREF(plain);
    Py_XDECREF(function);
    Py_XDECREF(self);
    return same;
}

int
extension_functions_self_test(void)
{
    static bool passed = false;
    for (int i = 0; i < EXAMPLES && !passed; i++) {
        if (!survives_patching(&examples[i])) {
            extension_functions_restore();
            PyErr_Clear();
            PyErr_Format(PyExc_RuntimeError, "this Python calls builtins like %s differently",
                         examples[i].ml_name);
            return -1;
        }
    }
    passed = true;
    extension_functions_restore();
    return extension_functions_prepare();
}
