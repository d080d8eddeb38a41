# The journal: deed-<code, dots as dashes>, outcomes, roads. Keys and variables as in ru; a test compares them.
