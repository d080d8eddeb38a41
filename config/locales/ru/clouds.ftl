# Makers' clouds.
