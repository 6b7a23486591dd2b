// Functions that take float64 in C order, and do little or much with each number.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;
using array = py::array_t<double, py::array::c_style | py::array::forcecast>;

static double total(array values, int times) {
    double sum = 0;
    for (int time = 0; time < times; time++) {
        const double *at = values.data();
        for (py::ssize_t i = 0; i < values.size(); i++) {
            sum += at[i]; // in this order: no compiler may leave a time out
        }
    }
    return sum;
}

PYBIND11_MODULE(repeated_sums, module) {
    module.def("total", &total);
}
