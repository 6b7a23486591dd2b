// Functions with one requirement each, as pybind11 programs declare them.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <stdexcept>

namespace py = pybind11;
using exact = py::array_t<double, py::array::c_style>;
using fortran = py::array_t<double, py::array::f_style>;
using converted = py::array_t<double, py::array::c_style | py::array::forcecast>;

PYBIND11_MODULE(refusing_pybind, module)
{
    module.def("rows", [](exact values) { return values.size(); }, py::arg("values").noconvert());
    module.def("columns", [](fortran values) { return values.size(); }, py::arg("values").noconvert());
    module.def("scale", [](exact values, double factor) { return values.size() * factor; },
               py::arg("values").noconvert(), py::arg("factor"));
    module.def("either", [](exact values) { return values.size(); }, py::arg("values").noconvert());
    module.def("either", [](py::array_t<float, py::array::c_style> values) { return values.size(); },
               py::arg("values").noconvert());
    module.def("safe", [](exact values) { return values.size(); });
    module.def("text", [](converted values, std::string name) { return values.size() + name.size(); });
    module.def("grid", [](py::array_t<double> values) { return values.unchecked<2>().shape(0); });
    module.def("fill", [](converted values) { values.mutable_data()[0] = 1; });
    module.def("fail", [](converted values) {
        throw std::invalid_argument("the sum of the values must be positive");
        return values.size();
    });
}
