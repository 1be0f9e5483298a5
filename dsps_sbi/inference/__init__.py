"""From a network's proposals to posteriors that the exact likelihood has judged."""
