"""What all rooms of the JSON API share."""
