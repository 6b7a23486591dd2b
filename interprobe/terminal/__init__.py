"""The parts of the terminal report, one file each; ``renderers/`` holds what draws with them."""
