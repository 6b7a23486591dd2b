"""How the command line reads its arguments and where it writes; no subcommand lives here."""
