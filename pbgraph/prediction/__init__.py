"""Saved models, and the files of molecules that they read and write."""
