"""Tests: test_<module>.py, test_<stage>.py, and tests of the whole."""
