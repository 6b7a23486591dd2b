/* Kernels that are busy for a given time, in the calling thread or in threads of their own. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Sums x[0..n) again and again for so many milliseconds; the sum. */
double busy_sum(const double *x, size_t n, int milliseconds)
{
    double sum = 0.0, until = seconds_now() + 1e-3 * milliseconds;
    do {
        sum = 0.0;
        for (size_t i = 0; i < n; i++)
            sum += x[i];
    } while (seconds_now() < until);
    return sum;
}

/* A pool of threads that live on between calls, as those of OpenMP and of BLAS libraries do. */
enum { MOST = 64 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begin = PTHREAD_COND_INITIALIZER, end = PTHREAD_COND_INITIALIZER;
static int workers, at_work;
static uint64_t job;
static const double *numbers;
static size_t count;
static int duration;

static void *work(void *seen_job)
{
    uint64_t done = (uint64_t)(uintptr_t)seen_job;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (job == done)
            pthread_cond_wait(&begin, &lock);
        done = job;
        pthread_mutex_unlock(&lock);
        busy_sum(numbers, count, duration);
        pthread_mutex_lock(&lock);
        if (--at_work == 0)
            pthread_cond_signal(&end);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* The same in `threads` threads at once, of which the caller is one. Not to be called from two threads. */
double busy_pool(const double *x, size_t n, int milliseconds, int threads)
{
    pthread_mutex_lock(&lock);
    while (workers < threads - 1 && workers < MOST) {
        pthread_t made;
        pthread_create(&made, NULL, work, (void *)(uintptr_t)job);
        pthread_detach(made);
        workers++;
    }
    numbers = x;
    count = n;
    duration = milliseconds;
    at_work = workers; /* each begins with this job */
    job++;
    pthread_cond_broadcast(&begin);
    pthread_mutex_unlock(&lock);
    double sum = busy_sum(x, n, milliseconds);
    pthread_mutex_lock(&lock);
    while (at_work > 0)
        pthread_cond_wait(&end, &lock);
    pthread_mutex_unlock(&lock);
    return sum;
}

/* Divides x[0..n) by a number into y, so many times: slow where x is subnormal. */
void busy_quotients(const double *x, double *y, size_t n, double by, int rounds)
{
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < n; i++)
            y[i] = x[i] / by + round;
}

/* Lets a state decay in place, y[i] *= factor. */
void busy_decay(double *y, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= factor;
}
