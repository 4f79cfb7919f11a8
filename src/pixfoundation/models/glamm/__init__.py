"""GLaMM: answers with a mask for every grounded phrase."""
