# Pages. Keys and variables as in ru; a test compares them.
