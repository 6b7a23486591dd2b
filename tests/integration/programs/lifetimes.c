/* A hand-written module with callable objects that no class can inherit from, and calls at odd times. */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <pthread.h>
#include <stdlib.h>
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

/* Array data that goes when Python is gone: in an exit function of C, and in a destructor. */
static PyDataMemAllocator *allocator;
static void *for_exit, *for_destructor;

static void
free_at_exit(void)
{
    allocator->free(allocator->ctx, for_exit, 4096);
}

__attribute__((destructor)) static void
free_at_unload(void)
{
    if (for_destructor != NULL) {
        for_destructor = allocator->realloc(allocator->ctx, for_destructor, 8192);
        allocator->free(allocator->ctx, for_destructor, 8192);
    }
}

static int
find_allocator(void)
{
    PyDataMem_Handler *handler = PyCapsule_GetPointer(PyDataMem_DefaultHandler, "mem_handler");
    allocator = handler == NULL ? NULL : &handler->allocator;
    return allocator == NULL ? -1 : 0;
}

static PyObject *
outlive_python(PyObject *self, PyObject *ignored)
{
    if (find_allocator() < 0 || atexit(free_at_exit) != 0) {
        return NULL;
    }
    for_exit = allocator->malloc(allocator->ctx, 4096);
    for_destructor = allocator->calloc(allocator->ctx, 1, 4096);
    Py_RETURN_NONE;
}

static void *
allocate_for_ever(void *unused)
{
    /* Below 1,024 bytes NumPy has a cache of its own, which needs the GIL. */
    for (size_t size = 1024;; size = size % 8192 + 1024) {
        void *block = allocator->malloc(allocator->ctx, size);
        block = allocator->realloc(allocator->ctx, block, 2 * size);
        allocator->free(allocator->ctx, block, 2 * size);
    }
    return NULL;
}

/* Threads without Python that allocate until the process ends. */
static PyObject *
keep_allocating(PyObject *self, PyObject *ignored)
{
    if (find_allocator() < 0) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, allocate_for_ever, NULL) == 0) {
            pthread_detach(thread);
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"outlive_python", outlive_python, METH_NOARGS, NULL},
    {"keep_allocating", keep_allocating, METH_NOARGS, NULL},
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
    import_array();
    return PyModuleDef_Init(&definition);
}
