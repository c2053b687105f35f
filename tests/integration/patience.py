"""How long a test waits for what must come."""

# Sanitizers and busy machines are slow; every wait has this much patience, and none sleeps it out.
PATIENCE_S = 300
