"""Tables of molecules with labels: facts, finding and fetching, reading, auditing."""
