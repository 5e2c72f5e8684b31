"""What the page shows, as HTML strings: every word of an article is escaped here, nothing is fetched."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
"""The folder of stylesheets that the page and the article pages link to, and of the page's scripts."""
