/* Computes hash and equality of builtins with the C functions that they had before they were patched. */
#include "builtin_identity.h"

#include "address_map.h"
#include "frames.h"

static address_map originals; /* PyMethodDef -> its own function; 0: not patched any more */
static int holders;
static hashfunc original_hash;
static richcmpfunc original_compare;

static PyTypeObject *const builtin_types[] = {&PyCFunction_Type, &PyCMethod_Type};
static const char *const wrapper_names[] = {"__hash__", "__eq__", "__ne__"};
enum { TYPE_COUNT = 2, WRAPPER_COUNT = 3 };

/* Puts a definition's own function in its place for a moment; returns the other one, or NULL where
 * nothing is to be done. The GIL is held all the while, and no Python code runs. */
static inline PyCFunction
unmask(PyMethodDef *definition)
{
    PyCFunction original = (PyCFunction)(uintptr_t)address_map_get(&originals, (uintptr_t)definition);
    PyCFunction present = definition->ml_meth;
    if (original == NULL || original == present) {
        return NULL;
    }
    definition->ml_meth = original;
    return present;
}

static Py_hash_t
probed_hash(PyObject *builtin)
{
    if (!frames_thread_attached()) {
        return original_hash(builtin); /* another interpreter: not under this one's lock */
    }
    PyMethodDef *definition = ((PyCFunctionObject *)builtin)->m_ml;
    PyCFunction mask = unmask(definition);
    Py_hash_t hash = original_hash(builtin);
    if (mask != NULL) {
        definition->ml_meth = mask;
    }
    return hash;
}

static PyObject *
probed_compare(PyObject *one, PyObject *other, int operation)
{
    if (!frames_thread_attached() || !PyCFunction_Check(one) || !PyCFunction_Check(other)) {
        return original_compare(one, other, operation);
    }
    PyMethodDef *first = ((PyCFunctionObject *)one)->m_ml;
    PyMethodDef *second = ((PyCFunctionObject *)other)->m_ml;
    PyCFunction first_mask = unmask(first);
    PyCFunction second_mask = unmask(second);
    PyObject *result = original_compare(one, other, operation);
    if (first_mask != NULL) {
        first->ml_meth = first_mask;
    }
    if (second_mask != NULL) {
        second->ml_meth = second_mask;
    }
    return result;
}

/* The slot wrapper behind builtin_function_or_method.__hash__ and the like, or NULL. */
static PyWrapperDescrObject *
wrapper_called(const char *name)
{
    PyObject *wrapper = PyObject_GetAttrString((PyObject *)&PyCFunction_Type, name);
    PyErr_Clear();
    bool known = wrapper != NULL && Py_IS_TYPE(wrapper, &PyWrapperDescr_Type) &&
                 PyDescr_TYPE(wrapper) == &PyCFunction_Type;
    Py_XDECREF(wrapper); /* the type keeps it */
    return known ? (PyWrapperDescrObject *)wrapper : NULL;
}

/* Another tool's function, put there since, stays. */
static void
exchange(void **slot, void *from, void *to)
{
    if (*slot == from) {
        *slot = to;
    }
}

static void
replace(hashfunc hash, richcmpfunc compare, hashfunc by_hash, richcmpfunc by_compare)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        exchange((void **)&builtin_types[i]->tp_hash, (void *)hash, (void *)by_hash);
        exchange((void **)&builtin_types[i]->tp_richcompare, (void *)compare, (void *)by_compare);
    }
    for (int i = 0; i < WRAPPER_COUNT; i++) {
        PyWrapperDescrObject *wrapper = wrapper_called(wrapper_names[i]);
        if (wrapper != NULL) {
            exchange(&wrapper->d_wrapped, i == 0 ? (void *)hash : (void *)compare,
                     i == 0 ? (void *)by_hash : (void *)by_compare);
        }
    }
}

int
builtin_identity_hold(void)
{
    if (holders == 0) {
        if (original_hash == NULL) {
            original_hash = PyCFunction_Type.tp_hash;
            original_compare = PyCFunction_Type.tp_richcompare;
        }
        if (PyCFunction_Type.tp_hash != original_hash || PyCMethod_Type.tp_hash != original_hash ||
            PyCFunction_Type.tp_richcompare != original_compare ||
            PyCMethod_Type.tp_richcompare != original_compare) {
            PyErr_SetString(PyExc_RuntimeError, "this Python compares builtins differently");
            return -1;
        }
        replace(original_hash, original_compare, probed_hash, probed_compare);
    }
    holders++;
    return 0;
}

void
builtin_identity_release(void)
{
    if (--holders == 0) {
        replace(probed_hash, probed_compare, original_hash, original_compare);
        address_map_clear(&originals);
    }
}

bool
builtin_identity_note(PyMethodDef *definition, PyCFunction original)
{
    return address_map_set(&originals, (uintptr_t)definition, (uintptr_t)(void *)original);
}

void
builtin_identity_forget(PyMethodDef *definition)
{
    if (address_map_get(&originals, (uintptr_t)definition) != 0) {
        address_map_set(&originals, (uintptr_t)definition, 0);
    }
}

int
builtin_claim(PyMethodDef *definition, PyCFunction hook, PyCFunction *original, const char *what)
{
    if (!builtin_identity_note(definition, *original != NULL ? *original : definition->ml_meth)) {
        PyErr_NoMemory();
        return -1;
    }
    if (claim_slot((void **)&definition->ml_meth, (void *)hook, (void **)original, what) < 0) {
        builtin_identity_forget(definition);
        return -1;
    }
    return 0;
}

void
builtin_release(PyMethodDef *definition, PyCFunction hook, PyCFunction original)
{
    release_slot((void **)&definition->ml_meth, (void *)hook, (void *)original);
    builtin_identity_forget(definition);
}

void
builtin_identity_visit(slot_visitor visit, void *context)
{
    visit("builtin_function_or_method.tp_hash", (void *)PyCFunction_Type.tp_hash, context);
    visit("builtin_function_or_method.tp_richcompare", (void *)PyCFunction_Type.tp_richcompare,
          context);
}
