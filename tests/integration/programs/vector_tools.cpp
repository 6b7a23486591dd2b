// A pybind11 module with functions, a class, a submodule and a default argument.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;

struct Box {
    double width;
    double scaled(double factor) const { return width * factor; }
};

static double sum(py::array_t<double, py::array::c_style | py::array::forcecast> values, double scale)
{
    double total = 0.0;
    for (py::ssize_t i = 0; i < values.size(); i++) {
        total += values.data()[i];
    }
    return total * scale;
}

PYBIND11_MODULE(vector_tools, module)
{
    module.def("sum", &sum, py::arg("values"), py::arg("scale") = 1.0, "Sum of the values.");
    module.def("fail", [](const std::string &text) { throw py::value_error(text); });
    module.def("apply", [](py::function function) { return function(); });
    py::class_<Box>(module, "Box")
        .def(py::init<double>())
        .def("scaled", &Box::scaled)
        .def_static("unit", [] { return 1.0; });
    module.def("shape", [](const py::buffer &values) { return values.request().shape; });
    auto part = module.def_submodule("part");
    part.def("twice", [](double x) { return 2.0 * x; });
}
