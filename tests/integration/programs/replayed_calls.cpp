// Functions that take float64 in C order and do in a forked child what a replay must survive.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace py = pybind11;
using array = py::array_t<double, py::array::c_style | py::array::forcecast>;

static int program = getpid(); // a forked child has another

static double total(array values) {
    const double *at = values.data();
    double sum = 0;
    for (py::ssize_t i = 0; i < values.size(); i++) {
        sum += at[i];
    }
    return sum;
}

static double crash(array values) {
    if (getpid() != program) {
        *(volatile int *)nullptr = 1;
    }
    return total(values);
}

static double hang(array values) {
    while (getpid() != program) {
        usleep(1000);
    }
    return total(values);
}

static double end(array values) {
    if (getpid() != program) {
        _exit(3);
    }
    return total(values);
}

static double fail(array values) {
    if (getpid() != program) {
        abort();
    }
    return total(values);
}

static double append(array values, const std::string &path) {
    FILE *file = fopen(path.c_str(), "a");
    fputs("called\n", file);
    fclose(file);
    return total(values);
}

static double write_to(array values, int descriptor) {
    return write(descriptor, "called\n", 7) + total(values);
}

static double count_in(array values, py::buffer counter) {
    *static_cast<int *>(counter.request(true).ptr) += 1;
    return total(values);
}

static double shout(array values) {
    puts("called");
    fflush(stdout);
    return total(values);
}

static double call(array values, py::object function) {
    function();
    return total(values);
}

class Summer {
  public:
    explicit Summer(array values) : first(::total(values)) {}
    double total(array values) { return first + ::total(values); }

  private:
    double first;
};

PYBIND11_MODULE(replayed_calls, module) {
    py::class_<Summer>(module, "Summer")
        .def(py::init<array>())
        .def("total", &Summer::total, py::arg("values"));
    module.def("total", &total);
    module.def("crash", &crash);
    module.def("hang", &hang);
    module.def("end", &end);
    module.def("fail", &fail);
    module.def("append", &append);
    module.def("write_to", &write_to);
    module.def("count_in", &count_in);
    module.def("shout", &shout);
    module.def("call", &call);
}
