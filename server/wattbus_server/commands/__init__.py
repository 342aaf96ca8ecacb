"""Actions as resources with a life: preflight, journal, per-device queues, proof, and the stream of transitions."""
