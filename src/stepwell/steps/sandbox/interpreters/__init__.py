"""The interpreters, one file each; each is the only one that knows its library. Imported in children only."""
