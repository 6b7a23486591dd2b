/* A hand-written extension module: one function per calling convention, a class, an alias. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *
nothing(PyObject *self, PyObject *ignored)
{
    Py_RETURN_NONE;
}

static PyObject *
same(PyObject *self, PyObject *one)
{
    return Py_NewRef(one);
}

static PyObject *
packed(PyObject *self, PyObject *args)
{
    return Py_NewRef(args);
}

static PyObject *
named(PyObject *self, PyObject *args, PyObject *keywords)
{
    return Py_BuildValue("(OO)", args, keywords == NULL ? Py_None : keywords);
}

static PyObject *
fast(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return PyLong_FromSsize_t(count);
}

static PyObject *
fast_named(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return Py_BuildValue("(nO)", count, names == NULL ? Py_None : names);
}

static PyObject *
call_back(PyObject *self, PyObject *function)
{
    return PyObject_CallNoArgs(function);
}

static PyObject *
defined_in(PyObject *self, PyTypeObject *type, PyObject *const *args, Py_ssize_t count,
           PyObject *names)
{
    return Py_BuildValue("(On)", type, count);
}

#define FUNCTION(name) (PyCFunction)(void (*)(void))name

static PyMethodDef counter_methods[] = {
    {"nothing", nothing, METH_NOARGS, NULL},
    {"fast_named", FUNCTION(fast_named), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"defined_in", FUNCTION(defined_in), METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL},
    {"of_class", FUNCTION(same), METH_O | METH_CLASS, NULL},
    {"of_none", FUNCTION(fast), METH_FASTCALL | METH_STATIC, NULL},
    {NULL},
};
static PyType_Slot counter_slots[] = {{Py_tp_methods, counter_methods}, {0, NULL}};
static PyType_Spec counter_spec = {
    "plain_calls.Counter", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    counter_slots};

static PyMethodDef functions[] = {
    {"nothing", nothing, METH_NOARGS, "nothing($module, /)\n--\n\nGives nothing."},
    {"same", same, METH_O, "same($module, one, /)\n--\n\nGives it back."},
    {"alias", same, METH_O, NULL},
    {"packed", packed, METH_VARARGS, NULL},
    {"named", FUNCTION(named), METH_VARARGS | METH_KEYWORDS, NULL},
    {"fast", FUNCTION(fast), METH_FASTCALL, NULL},
    {"fast_named", FUNCTION(fast_named), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"call_back", call_back, METH_O, NULL},
    {NULL},
};

static int
add_counter(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &counter_spec, NULL);
    int status = type == NULL ? -1 : PyModule_AddObjectRef(module, "Counter", type);
    Py_XDECREF(type);
    return status;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_counter}, {0, NULL}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "plain_calls", NULL, 0, functions, slots, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_plain_calls(void)
{
    return PyModuleDef_Init(&definition);
}
