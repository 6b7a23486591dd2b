/* Calls back from threads that Python knows nothing of, and dies in a kernel when asked to. */
#include <pthread.h>
#include <stdlib.h>

typedef void (*callback)(int);

static callback called;

static void *
run(void *number)
{
    called((int)(long)number);
    called((int)(long)number);
    return NULL;
}

void
on_threads(int count, callback function)
{
    pthread_t threads[16];
    called = function;
    for (int i = 0; i < count && i < 16; i++) {
        pthread_create(&threads[i], NULL, run, (void *)(long)(i + 1));
    }
    for (int i = 0; i < count && i < 16; i++) {
        pthread_join(threads[i], NULL);
    }
}

double
crash(const double *values, int how)
{
    if (how == 1) {
        abort();
    }
    return how == 2 ? *(volatile double *)8 : values[0];
}

void
call_once(callback function)
{
    function(0);
}
