# What the hub sends to people: codes, news about their own account. Keys and variables as in ru; a test compares them.
