# Consumption, tariffs, evidence.
