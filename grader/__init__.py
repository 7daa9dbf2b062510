"""The `grade` command: builds the course's notebooks from text, and grades the labs that students hand in."""

import sys

# jsonschema, which nbformat imports, tries this package for the form of IRIs, which no notebook has. It compiles a
# grammar when it is imported: one second, more than half of what every `grade` command takes to start.
sys.modules.setdefault("rfc3987_syntax", None)
