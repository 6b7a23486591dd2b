/* What if C called the function? Then nothing is left of a short call but its work. */
#include "bare_calls.h"
#include "clock.h"
#include "what_if.h"

#define SHORT 20000 /* ns: of longer calls the crossing is no large part */

static uint32_t
applies(const ended_call *call)
{
    const callee *to = call->to;
    bool can = call->count > 0 && bare_calls_are_possible() && to->foreign != NULL &&
               to->foreign->bare != NULL && !clock_is_longer(call->ticks, SHORT);
    for (int i = 0; can && i < call->count; i++) {
        bool converts = to->foreign->converts != NULL && to->foreign->converts(to->callable, i);
        can = !converts && !to->foreign->calls_back(to->arguments[i]);
    }
    /* It is about all arguments, none of which is replaced. */
    return can ? 1 : 0;
}

static bool
bare(const ended_call *call, bare_call *out)
{
    return call->to->foreign->bare(call->to, out);
}

what_if what_if_no_crossing = {
    .change = "no-crossing",
    .concerns = {.all = CALL_FOREIGN},
    .applies = applies,
    .bare = bare,
};
REGISTER_WHAT_IF(what_if_no_crossing)
