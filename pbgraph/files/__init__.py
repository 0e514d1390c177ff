"""Files written whole, read with care, locked, kept in a cache."""
