"""Helpers that every notebook of the course imports: `from utils.train import budget, fit, record`.

Small on purpose, and cheap to import: nothing heavy is loaded before a function needs it.
"""

from pathlib import Path

COURSE = Path(__file__).resolve().parent.parent
"""The folder that holds the course: `utils`, `lectures`, `labs`."""
