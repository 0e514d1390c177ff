"""What a folder of results holds, read and written here alone."""
