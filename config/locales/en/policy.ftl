# Why the policy refused: refusal-<code>; roles, verbs, kinds of things. Keys and variables as in ru; a test compares them.
