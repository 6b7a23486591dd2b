/* Frees at a thread's end what its variables point to. */
#include "thread_local.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct storage {
    struct storage *next; /* made before, for the same thread */
    void **pointer;       /* the variable that leads here */
    max_align_t bytes[];
} storage;

static pthread_key_t newest; /* storage * */
static int key_status = -1;

static void
free_all(void *first)
{
    for (storage *each = first; each != NULL;) {
        storage *next = each->next;
        *each->pointer = NULL;
        free(each);
        each = next;
    }
}

__attribute__((constructor)) static void
make_key(void)
{
    key_status = pthread_key_create(&newest, free_all);
}

void *
thread_local_make(void **pointer, size_t size)
{
    storage *made = key_status != 0 ? NULL : calloc(1, sizeof *made + size);
    if (made == NULL) {
        return NULL;
    }
    made->next = pthread_getspecific(newest);
    made->pointer = pointer;
    if (pthread_setspecific(newest, made) != 0) {
        free(made);
        return NULL;
    }
    *pointer = made->bytes;
    return *pointer;
}
