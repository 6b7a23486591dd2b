// Functions with one requirement each, as nanobind programs declare them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

namespace nb = nanobind;
using rows_of = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

NB_MODULE(refusing_nano, module)
{
    module.def("rows", [](rows_of values) { return values.shape(0); }, nb::arg("values").noconvert());
    module.def("columns", [](nb::ndarray<double, nb::ndim<2>, nb::f_contig> values) {
        return values.shape(0);
    }, nb::arg("values").noconvert());
    module.def("triples", [](nb::ndarray<double, nb::shape<-1, 3>> values) { return values.shape(0); },
               nb::arg("values").noconvert());
    module.def("vector", [](nb::ndarray<double, nb::ndim<1>> values, std::string name) {
        return values.size() + name.size();
    });
    module.def("fail", [](rows_of) { throw nb::value_error("the values must be positive"); });
}
