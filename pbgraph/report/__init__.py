"""Records -> rows, comparisons, text, pages and figures; nothing here needs torch or the data."""
