# What the recorder has measured of this machine: the part of the seam for that.

def measure_bandwidth(unsigned long long nbytes, unsigned long long nanoseconds):
    """Bytes per second that memory gives to one thread: reading, and in y += s * x.

    Args:
        nbytes: How much fresh memory to walk through; it is given back.
        nanoseconds: How long to go on, about; each is done once at least.

    Raises:
        OSError: There is no such memory.
    """
    cdef bandwidth found
    cdef int status
    with nogil:
        status = bandwidth_measure(nbytes, nanoseconds, &found)
    if status < 0:
        raise OSError(errno, os.strerror(errno))
    return found.read, found.copy


def empty_function_address():
    """The address of a C function that does nothing and returns 0, whatever it is given."""
    return empty_calls_function()


def empty_call_seconds(function, tuple arguments not None, int repeats):
    """Times calls as crossings are timed, with a crossing's work around each.

    To be called from code that is not interprobe's own, while one ledger is written; 0.0 where that is
    not so.

    Args:
        function: Called as it is.
        arguments: What it is called with.
        repeats: How often, at least once.

    Returns:
        Seconds of one call, the median of many, and what the probes took besides of each, the mean.

    Raises:
        Exception: What the function raises.
    """
    cdef double around
    cdef double seconds = empty_calls_time(function, arguments, repeats, &around)
    return seconds, around


def clock_seconds():
    """Seconds that reading the clock adds to a time that is taken with it: the median of many."""
    return empty_calls_clock()


def take_scalars(double first=0, double second=0, double third=0, double fourth=0):
    """A Cython function that only takes numbers: what a call of one costs without any work."""


def take_view(const double[::1] view):
    """A Cython function that only takes a typed view of an array."""
