"""Files, images, videos, streams and text on disk; nothing that knows of networks."""
