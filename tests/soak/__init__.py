"""Long use, compressed: whether memory, connections, descriptors, keys, tables and folders stay as they are."""
