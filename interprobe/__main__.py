"""``python -m interprobe``: the command line, kept clear of the modules of the current folder."""

import sys

if not sys.flags.safe_path:
    # `python -m` puts the current folder first; a `random.py` there is the probed program's, not
    # interprobe's.
    del sys.path[0]

from interprobe.cli import main

sys.exit(main(sys.argv[1:]))
