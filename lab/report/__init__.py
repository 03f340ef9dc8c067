"""What the book's pages show: each section is one call, from a run to Markdown."""
