"""Stepwell: a durable process orchestration engine."""

__version__ = "0.1.0"
