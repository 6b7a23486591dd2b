/* A hand-written module with callable objects that no class can inherit from, and calls at odd times. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sys/wait.h>
#include <unistd.h>

static Py_ssize_t callers_alive;

static PyObject *
caller_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    callers_alive++;
    return type->tp_alloc(type, 0);
}

static void
caller_free(PyObject *self)
{
    callers_alive--;
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
caller_call(PyObject *self, PyObject *args, PyObject *keywords)
{
    return PyLong_FromSsize_t(PyTuple_GET_SIZE(args));
}

static PyType_Slot caller_slots[] = {
    {Py_tp_new, caller_new}, {Py_tp_dealloc, caller_free}, {Py_tp_call, caller_call}, {0, NULL}};
static PyType_Spec caller_spec = {"lifetimes.Caller", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT,
                                  caller_slots};

static PyObject *
alive(PyObject *self, PyObject *ignored)
{
    return PyLong_FromSsize_t(callers_alive);
}

static PyObject *
take(PyObject *self, PyObject *one)
{
    Py_RETURN_NONE;
}

static PyObject *
call_back(PyObject *self, PyObject *function)
{
    return PyObject_CallNoArgs(function);
}

/* Forks as C libraries do, without a word to Python and without the GIL. */
static PyObject *
fork_behind_python(PyObject *self, PyObject *ignored)
{
    int status = -1;
    Py_BEGIN_ALLOW_THREADS
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* Asks for a buffer while an exception is on its way, as a destructor may. */
static PyObject *
look_and_fail(PyObject *self, PyObject *exporter)
{
    Py_buffer view;
    PyErr_SetString(PyExc_KeyError, "on its way");
    if (PyObject_GetBuffer(exporter, &view, PyBUF_SIMPLE) == 0) {
        PyBuffer_Release(&view);
    }
    return NULL;
}

static PyMethodDef functions[] = {
    {"alive", alive, METH_NOARGS, NULL},
    {"take", take, METH_O, NULL},
    {"call_back", call_back, METH_O, NULL},
    {"fork_behind_python", fork_behind_python, METH_NOARGS, NULL},
    {"look_and_fail", look_and_fail, METH_O, NULL},
    {NULL},
};

static int
add_caller(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&caller_spec);
    int status = type == NULL ? -1 : PyModule_AddObjectRef(module, "Caller", type);
    Py_XDECREF(type);
    return status;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_caller}, {0, NULL}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "lifetimes", NULL, 0, functions, slots, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_lifetimes(void)
{
    return PyModuleDef_Init(&definition);
}
