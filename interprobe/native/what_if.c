/* Keeps the list of counterfactuals. */
#include "what_if.h"

what_if *what_ifs;

void
what_if_register(what_if *change)
{
    change->next = what_ifs;
    what_ifs = change;
}
