// A pybind11 function with no work.
#include <pybind11/pybind11.h>

PYBIND11_MODULE(pybind11_calls, module)
{
    module.def("halve", [](double number) { return number / 2.0; }, "Half of a number.");
}
