"""Runs somebody's program as plain ``python`` would, with a recording around it.

Nothing here imports NumPy or the recorder before the program asks for NumPy itself: the modules,
environment variables and threads that it finds are those of a plain run.
"""
