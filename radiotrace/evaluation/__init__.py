"""Evaluation: metrics, statistics, figures."""
