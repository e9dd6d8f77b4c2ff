"""Charts as pure functions from numbers to SVG text; colours come from the page's CSS and follow light and dark."""
