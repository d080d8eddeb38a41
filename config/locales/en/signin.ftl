# Signing in: rules of passwords (rule-<code>), factors, errors. Keys and variables as in ru; a test compares them.
