// A pybind11 module whose functions change arrays in place, or convert them to work on.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>

namespace py = pybind11;

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Exact = py::array_t<double, py::array::c_style>;

static void scale(Doubles values, double factor)
{
    double *data = values.mutable_data();
    for (py::ssize_t i = 0; i < values.size(); i++) {
        data[i] *= factor;
    }
}

static double median(Doubles values)
{
    double *data = values.mutable_data();
    std::nth_element(data, data + values.size() / 2, data + values.size());
    return data[values.size() / 2];
}

static void add(Doubles values, Doubles total)
{
    double *sums = total.mutable_data();
    double *data = values.mutable_data();
    for (py::ssize_t i = 0; i < values.size(); i++) {
        data[i] *= 2.0;
        sums[i] += data[i];
    }
}

static Doubles scaled(Doubles values, double factor)
{
    scale(values, factor);
    return values;
}

static int first_index(py::array_t<int, py::array::c_style | py::array::forcecast> indices)
{
    return indices.data()[0];
}

static float first_single(py::array_t<float, py::array::c_style | py::array::forcecast> values)
{
    return values.data()[0];
}

static double first_double(Doubles values) { return values.data()[0]; }

PYBIND11_MODULE(scalers, module)
{
    module.def("scale", &scale);
    module.def("scale_exact", [](Exact values, double factor) { scale(values, factor); },
               py::arg("values").noconvert(), py::arg("factor"));
    module.def("median", &median);
    module.def("add", &add);
    module.def("scaled", &scaled);
    module.def("first_index", &first_index);
    module.def("first_single", &first_single);
    module.def("first_double", &first_double);
}
