/* A small library of somebody else's: energies of signals, called through ctypes. */
#include <stddef.h>

double signal_energy(const double *samples, size_t count)
{
    double energy = 0.0;
    for (size_t i = 0; i < count; i++) {
        energy += samples[i] * samples[i];
    }
    return energy;
}

void signal_scale(double *samples, size_t count, double factor)
{
    for (size_t i = 0; i < count; i++) {
        samples[i] *= factor;
    }
}
