// The pitfalls' kernel bound with pybind11, which converts what does not fit.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "pitfall_kernels.h"

namespace py = pybind11;
using values = py::array_t<double, py::array::c_style | py::array::forcecast>;

static double total(const values &array, int rounds)
{
    return total_of(array.data(), static_cast<size_t>(array.size()), rounds);
}

// An array of the same length with each value divided by two.
static py::array_t<double> halves(const values &array)
{
    py::array_t<double> result(array.size());
    const double *from = array.data();
    double *to = result.mutable_data();
    for (py::ssize_t i = 0; i < array.size(); i++) {
        to[i] = from[i] / 2.0;
    }
    return result;
}

PYBIND11_MODULE(pitfall_pybind11, module)
{
    module.def("total", &total, "The sum of all values, after so many steps with each.");
    module.def("halves", &halves, "Half of each value, in an array of one dimension.");
}
