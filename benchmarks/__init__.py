"""Benchmarks: figures that the README and its neighbours quote, each made by one command."""
