// The pitfalls' kernel bound with nanobind, which has arrays converted that do not fit.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "pitfall_kernels.h"

namespace nb = nanobind;
using values = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;

NB_MODULE(pitfall_nanobind, module)
{
    module.def("total", [](const values &array, int rounds) {
        return total_of(array.data(), array.size(), rounds);
    });
}
