/* The probe of calls into extension modules: its installation, and the proof that it may be installed.
 *
 * Which functions: extension_scan.c; whose imports: import_statements.c; how: extension_functions.c.
 */
#include "extension_calls.h"

#include "builtin_identity.h"
#include "extension_functions.h"

int
extension_calls_configure(const char *boundary, const char *no_boundary, const char *never)
{
    return libraries_configure(boundary, no_boundary, never);
}

void
extension_calls_scan(void)
{
    cffi_calls_arrive();
    extension_scan_loaded();
    if (libraries_has_boundary()) {
        extension_scan_boundary();
    }
}

bool
extension_calls_scan_statement(PyObject *name, PyObject *names)
{
    return extension_scan_statement(name, names);
}

uint64_t
extension_calls_unwatched(void)
{
    return extension_functions_unwatched();
}

static int
install(void)
{
    if (extension_functions_prepare() < 0 || builtin_identity_hold() < 0) {
        return -1;
    }
    if (extension_functions_self_test() < 0 || import_statements_watch() < 0) {
        extension_functions_restore();
        builtin_identity_release();
        return -1;
    }
    return 0;
}

static void
uninstall(void)
{
    import_statements_restore();
    cffi_calls_restore();
    extension_functions_restore();
    extension_scan_forget();
    builtin_identity_release();
}

static void
visit_slots(slot_visitor visit, void *context)
{
    builtin_identity_visit(visit, context);
    import_statements_visit(visit, context);
    cffi_calls_visit(visit, context);
    extension_functions_visit(visit, context);
}

static probe extension_calls_probe = {"extension-calls", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(extension_calls_probe)
