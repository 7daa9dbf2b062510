"""The `grade` command: builds the course's notebooks from text, and grades the labs that students hand in."""
