// Reads a buffer in place through pybind11's py::buffer, as C++ programs do.
#include <pybind11/pybind11.h>

namespace py = pybind11;

static double first(const py::buffer &values)
{
    py::buffer_info info = values.request();
    return *static_cast<double *>(info.ptr);
}

PYBIND11_MODULE(buffer_request, m)
{
    m.def("first", &first);
}
