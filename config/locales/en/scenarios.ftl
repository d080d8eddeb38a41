# Scenarios.
