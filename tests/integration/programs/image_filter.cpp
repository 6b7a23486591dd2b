// An extension of somebody else's, with pybind11's converting array arguments.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;

static double brightness(py::array_t<double, py::array::c_style | py::array::forcecast> image)
{
    double sum = 0.0;
    for (py::ssize_t i = 0; i < image.size(); i++) {
        sum += image.data()[i];
    }
    return sum / (double)image.size();
}

static double spread(py::array_t<float, py::array::f_style | py::array::forcecast> image)
{
    return image.size() ? (double)image.data()[image.size() - 1] - (double)image.data()[0] : 0.0;
}

PYBIND11_MODULE(image_filter, module)
{
    module.def("brightness", &brightness);
    module.def("spread", &spread);
}
