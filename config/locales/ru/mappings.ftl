# The owner's own mappings and the keys of meters.
