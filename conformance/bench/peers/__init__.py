"""Baselines that need more than a command."""
