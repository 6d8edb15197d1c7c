"""The one-shot network for other runtimes: one file a target, each checked against the network it came from."""
