// A nanobind module that changes arrays in place, and converts those that do not fit.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace nb = nanobind;

using Doubles = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

static void scale(Doubles values, double factor)
{
    for (size_t i = 0; i < values.size(); i++) {
        values.data()[i] *= factor;
    }
}

NB_MODULE(nano_scalers, module)
{
    module.def("scale", &scale);
    module.def("scale_exact", &scale, nb::arg("values").noconvert(), nb::arg("factor"));
}
