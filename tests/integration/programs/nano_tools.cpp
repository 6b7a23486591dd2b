// A nanobind module with functions and a class.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace nb = nanobind;

struct Box {
    double width;
    explicit Box(double w) : width(w) {}
    double scaled(double factor) const { return width * factor; }
};

NB_MODULE(nano_tools, module)
{
    module.def("sum", [](nb::ndarray<double, nb::ndim<1>, nb::c_contig> values, double scale) {
        double total = 0.0;
        for (size_t i = 0; i < values.size(); i++) {
            total += values.data()[i];
        }
        return total * scale;
    }, nb::arg("values"), nb::arg("scale") = 1.0, "Sum of the values.");
    module.def("fail", [](const char *text) { throw nb::value_error(text); });
    nb::class_<Box>(module, "Box").def(nb::init<double>()).def("scaled", &Box::scaled);
}
