/* The world switch as Python calls: a record goes from a tuple to the shared page and back in one step.
 *
 * With cffi and struct the steps between cost three times the switch itself when the two sides run on two CPUs. This is a
 * module of its own (_switch) inside _native's library; switch.py loads it. Only our two links call it: handles are addresses of
 * the structs of doorbell.h, tuples are the named tuples of hypervisor/abi/records.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "doorbell.h"

enum { RESUME_NUMBERS = 5, RESUME_FIELDS = 6, EXIT_NUMBERS = 11, EXIT_FIELDS = 13 };

static int take_numbers(PyObject *record, Py_ssize_t fields, uint64_t *to, int count)
{
    if (!PyTuple_Check(record) || PyTuple_GET_SIZE(record) != fields) {
        PyErr_SetString(PyExc_TypeError, "not a record");
        return -1;
    }
    for (int i = 0; i < count; i++)
        to[i] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(record, i));
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *new_record(PyObject *type, Py_ssize_t fields, const uint64_t *from, int count)
{
    PyObject *record = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, fields);
    for (int i = 0; record && i < count; i++)
        PyTuple_SET_ITEM(record, i, PyLong_FromUnsignedLongLong(from[i]));
    return record;
}

static void add_bytes(PyObject *record, int field, const char *from, Py_ssize_t length)
{
    PyTuple_SET_ITEM(record, field, PyBytes_FromStringAndSize(from, length));
}

/* What is missing in the tuple could not be allocated. */
static PyObject *checked(PyObject *record)
{
    if (record && PyErr_Occurred())
        Py_CLEAR(record);
    return record;
}

static int copy_bytes(PyObject *bytes, char *to, Py_ssize_t limit, uint32_t *length)
{
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) > limit) {
        PyErr_SetString(PyExc_ValueError, "not bytes, or too many for the page");
        return -1;
    }
    *length = (uint32_t)PyBytes_GET_SIZE(bytes);
    memcpy(to, PyBytes_AS_STRING(bytes), *length);
    return 0;
}

/* resume(link, record, events): let the cell run. `events`: the record's, packed. */
static PyObject *switch_resume(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    struct link *link = count == 3 ? PyLong_AsVoidPtr(given[0]) : NULL;
    uint64_t r[RESUME_NUMBERS];
    uint32_t events;
    (void)self;
    if (!link || take_numbers(given[1], RESUME_FIELDS, r, RESUME_NUMBERS) ||
        copy_bytes(given[2], (char *)(link->resume + 1), EVENTS_LIMIT, &events))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "resume(link, record, events)");
    link_resume(link, r[0], r[1], r[2], r[3], r[4], events, r[2] + OVERSHOOT);
    Py_RETURN_NONE;
}

/* wait(link, timeout_ns, Exit): the exit, or the enum link_outcome that says why there is none. */
static PyObject *switch_wait(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    struct link *link = count == 3 ? PyLong_AsVoidPtr(given[0]) : NULL;
    int64_t timeout_ns = link ? PyLong_AsLongLong(given[1]) : 0;
    int outcome;
    (void)self;
    if (!link || PyErr_Occurred())
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "wait(link, timeout_ns, type)");
    Py_BEGIN_ALLOW_THREADS
    outcome = link_wait(link, timeout_ns);
    Py_END_ALLOW_THREADS
    if (outcome != LINK_EXIT)
        return PyLong_FromLong(outcome);
    PyObject *record = new_record(given[2], EXIT_FIELDS, &link->copy.seq, EXIT_NUMBERS);
    if (record) {
        const char *payload = (const char *)(link->exit + 1);
        add_bytes(record, EXIT_NUMBERS, payload, link->copy.output);
        add_bytes(record, EXIT_NUMBERS + 1, payload + link->copy.output, link->copy.data);
    }
    return checked(record);
}

/* exchange(end, record, Resume): give an exit, sleep, return the resume, its events still packed. */
static PyObject *switch_exchange(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    struct cell_end *end = count == 3 ? PyLong_AsVoidPtr(given[0]) : NULL;
    struct exit_record e;
    (void)self;
    if (!end || take_numbers(given[1], EXIT_FIELDS, &e.seq, EXIT_NUMBERS))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "exchange(end, record, type)");
    char *payload = (char *)(end->exit + 1);
    if (copy_bytes(PyTuple_GET_ITEM(given[1], EXIT_NUMBERS), payload, PAYLOAD_LIMIT, &e.output) ||
        copy_bytes(PyTuple_GET_ITEM(given[1], EXIT_NUMBERS + 1), payload + e.output, PAYLOAD_LIMIT, &e.data))
        return NULL;
    *end->exit = e;
    Py_BEGIN_ALLOW_THREADS
    doorbell_trap(end->page, end->spin_us, &end->seen, &end->courtesy);
    Py_END_ALLOW_THREADS
    PyObject *record = new_record(given[2], RESUME_FIELDS, &end->resume->seq, RESUME_NUMBERS);
    if (record && end->resume->events)
        add_bytes(record, RESUME_NUMBERS, (const char *)(end->resume + 1), (Py_ssize_t)end->resume->events);
    else if (record)
        PyTuple_SET_ITEM(record, RESUME_NUMBERS, PyTuple_New(0));
    return checked(record);
}

static PyMethodDef methods[] = {
    {"resume", (PyCFunction)(void (*)(void))switch_resume, METH_FASTCALL, NULL},
    {"wait", (PyCFunction)(void (*)(void))switch_wait, METH_FASTCALL, NULL},
    {"exchange", (PyCFunction)(void (*)(void))switch_exchange, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "_switch", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__switch(void)
{
    return PyModule_Create(&definition);
}
