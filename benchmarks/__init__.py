"""Measures what interprobe costs, beside plain Python and other profilers; see README.md."""
