"""Runs the built-in scenarios: a pitfall and its cure, side by side."""
